"""Where a node stands in the subject hierarchy, and under which transform."""

from __future__ import annotations

import slicer


def place_beside(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLTransformableNode, other_node) -> None:
    """Give a node the parent item (study, folder) and the parent transform of another node."""
    node.SetAndObserveTransformNodeID(other_node.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(other_node))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), parent or hierarchy.GetSceneItemID())
