"""Slice and 3D views of 3D Slicer drawn into memory: the displayable managers are the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


class View:
    """A render window in memory and the displayable managers that fill it."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.renderer = vtk.vtkRenderer()
        self.render_window = vtk.vtkRenderWindow()
        self.render_window.SetOffScreenRendering(1)
        self.render_window.SetMultiSamples(0)
        self.render_window.SetAlphaBitPlanes(1)
        self.render_window.SetSize(*size)
        self.render_window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.render_window)
        self.interactor.Initialize()
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()

    def grab(self, path: Path | None = None) -> np.ndarray:
        """Draw and return the pixels, (H, W, 3) uint8, first row on top; also as a PNG file."""
        self.render_window.Render()
        picture = vtk.vtkWindowToImageFilter()
        picture.SetInput(self.render_window)
        picture.SetInputBufferTypeToRGB()
        picture.ReadFrontBufferOff()
        picture.Update()
        if path is not None:
            writer = vtk.vtkPNGWriter()
            writer.SetFileName(str(path))
            writer.SetInputData(picture.GetOutput())
            writer.Write()
        width, height, _ = picture.GetOutput().GetDimensions()
        pixels = vtk_to_numpy(picture.GetOutput().GetPointData().GetScalars())
        return pixels.reshape(height, width, 3)[::-1].copy()

    def legend_actor(self, legend):
        """Return what draws a color legend in this view, None if nothing does."""
        count = self.managers.GetDisplayableManagerCount()
        managers = [self.managers.GetNthDisplayableManager(n) for n in range(count)]
        kind = "vtkMRMLColorLegendDisplayableManager"
        return next(each for each in managers if each.IsA(kind)).GetColorLegendActor(legend)

    def close(self) -> None:
        self.managers.SetMRMLDisplayableNode(None)
        self.render_window.Finalize()

    def _start_managers(self, factory, names: tuple[str, ...]) -> None:
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers.Initialize(factory, self.renderer)


class SliceView(View):
    """A slice view such as "Red", with `logic`, `node` (slice node) and `composite` (what it shows)."""

    def __init__(self, application_logic, name: str, orientation: str, size: tuple[int, int] = (400, 400)):
        super().__init__(size)
        self.name, self.orientation = name, orientation
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._start_managers(slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), SLICE_MANAGERS)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application_logic.GetMRMLScene())
        self.node = self.logic.AddSliceNode(name)
        self.composite = self.logic.GetSliceCompositeNode()
        self.managers.SetMRMLDisplayableNode(self.node)
        self._add_image()
        self.reset()

    def fit(self) -> None:
        """Show the whole background volume."""
        self.logic.ResizeSliceNode(*self.size)
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()

    def jump_to(self, ras: tuple[float, float, float]) -> None:
        """Move the slice to a point, in mm."""
        self.node.JumpSliceByOffsetting(*ras)

    def pixel_of(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """Return the (row, column) of `grab()` that shows a point."""
        matrix = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), matrix)
        x, y = matrix.MultiplyPoint((*ras, 1.0))[:2]
        return self.size[1] - 1 - round(y), round(x)

    def reset(self) -> None:
        self.node.SetOrientation(self.orientation)
        self.logic.ResizeSliceNode(*self.size)

    def _add_image(self) -> None:
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._actor.VisibilityOff()
        self.renderer.AddViewProp(self._actor)
        self.logic.AddObserver("ModifiedEvent", self._update_image)

    def _update_image(self, *_) -> None:
        connection = self.logic.GetImageDataConnection()
        self._mapper.SetInputConnection(connection)
        self._actor.SetVisibility(bool(connection))


class ThreeDView(View):
    """A 3D view, with `logic` and `node` (view node)."""

    def __init__(self, application_logic, name: str = "1", size: tuple[int, int] = (500, 400)):
        super().__init__(size)
        self._start_managers(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS
        )
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application_logic.GetMRMLScene())
        self.node = self.logic.AddViewNode(name)
        self.managers.SetMRMLDisplayableNode(self.node)
        self.renderer.SetBackground(0.757, 0.765, 0.91)
        self.renderer.SetBackground2(0.455, 0.471, 0.745)
        self.renderer.GradientBackgroundOn()

    def fit(self) -> None:
        """Show all that is in the view, from the front."""
        camera = self.renderer.GetActiveCamera()
        camera.SetPosition(0, 500, 0)
        camera.SetFocalPoint(0, 0, 0)
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCamera()

    def reset(self) -> None:
        """A cleared scene leaves a 3D view as it is."""
