"""Taking all views to a place."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from TrustSegModule.nodes import nodes_of_class

Point = tuple[float, float, float]


def world_position(node: slicer.vtkMRMLTransformableNode, ras_mm: Sequence[float]) -> Point:
    """Return where a point of a node lies in the scene, in RAS mm."""
    world = [0.0] * 3
    node.TransformPointToWorld(list(ras_mm), world)
    return tuple(world)


def go_to(scene: slicer.vtkMRMLScene, point: Point) -> None:
    """Center all slice views on a point, put the crosshair there, and let the 3D views turn around it.

    Parameters
    ----------
    scene : vtkMRMLScene
    point : 3 floats
        In RAS mm of the scene.
    """
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *point, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    for crosshair in nodes_of_class(scene, "vtkMRMLCrosshairNode"):
        _mark(crosshair, point)
    for camera in nodes_of_class(scene, "vtkMRMLCameraNode"):
        _look_at(camera, point)


def _mark(crosshair: slicer.vtkMRMLCrosshairNode, point: Point) -> None:
    with slicer.util.NodeModify(crosshair):
        crosshair.SetCrosshairRAS(list(point))
        # Small: lines through the whole view would lie over what is to be looked at.
        if crosshair.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.NoCrosshair:
            crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowSmallBasic)


def _look_at(camera: slicer.vtkMRMLCameraNode, point: Point) -> None:
    """Move the camera along, so that it looks from the same side and as near as before."""
    focus, position = camera.GetFocalPoint(), camera.GetPosition()
    with slicer.util.NodeModify(camera):
        camera.SetPosition(*(p + q - f for p, q, f in zip(position, point, focus, strict=True)))
        camera.SetFocalPoint(*point)
    camera.ResetClippingRange()
