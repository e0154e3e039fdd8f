"""Nodes of a scene: find them, place them beside each other, and the error for an unusable one."""

from __future__ import annotations

import slicer


def nodes_of_class(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    """Return the nodes of a class in the order of the scene."""
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]


def place_beside(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLTransformableNode, other_node) -> None:
    """Give a node the parent item (study, folder) and the parent transform of another node."""
    node.SetAndObserveTransformNodeID(other_node.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(other_node))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), parent or hierarchy.GetSceneItemID())


class SceneError(Exception):
    """A node is not what is needed; the message is one line that names the node and what to do."""
