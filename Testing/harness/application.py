"""The MRML half of the 3D Slicer application, without Qt: real scene, real logics, real off-screen views.

Import this before `vtk`: it chooses the off-screen OpenGL that needs no display.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import types
from pathlib import Path

if sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import slicer
import vtk
from off_screen_views import SliceView, ThreeDView, View

SLICE_ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
# The order matters: the color logic registers the node class of color legends, and so on.
LOGICS = {
    "Colors": slicer.vtkSlicerColorLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "Models": slicer.vtkSlicerModelsLogic,
    "Markups": slicer.vtkSlicerMarkupsLogic,
}


class Application:
    """What the application sets up at its start.

    Attributes
    ----------
    scene : vtkMRMLScene
    application_logic : vtkSlicerApplicationLogic
    logics : dict of str to logic
        By the name of the module.
    slice_views : dict of str to SliceView
        Those made so far.
    three_d_views : list of ThreeDView
        Those made so far.
    errors : list of str
        What VTK and MRML complained of since `clear`.
    """

    def __init__(self):
        install_translation()
        self.errors: list[str] = []
        window = vtk.vtkOutputWindow.GetInstance()
        self._observers = [
            window.AddObserver(kind, self._keep_error) for kind in ("ErrorEvent", "WarningEvent")
        ]
        self._home = tempfile.TemporaryDirectory(prefix="slicer-home-")
        self.scene = slicer.vtkMRMLScene()
        self.application_logic = self._make_application_logic()
        self.slice_views: dict[str, SliceView] = {}
        self.three_d_views: list[ThreeDView] = []
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self.logics = {name: self._make_logic(name, kind) for name, kind in LOGICS.items()}
        self._remote, self._data_io = self._make_file_logics()
        self.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._add_to_hierarchy)

    def logic(self, name: str):
        """Return the logic of a module, such as `"Segmentations"`."""
        return self.logics[name]

    def slice_view(self, name: str = "Red") -> SliceView:
        """Return the slice view of this name; made at the first call."""
        if name not in self.slice_views:
            self.slice_views[name] = SliceView(self.application_logic, name, SLICE_ORIENTATIONS[name])
        return self.slice_views[name]

    def three_d_view(self) -> ThreeDView:
        """Return the 3D view; made at the first call."""
        if not self.three_d_views:
            self.three_d_views.append(ThreeDView(self.application_logic))
        return self.three_d_views[0]

    @property
    def views(self) -> list[View]:
        """The slice and 3D views made so far."""
        return [*self.slice_views.values(), *self.three_d_views]

    def save_scene(self, path: Path) -> None:
        """Write the scene as `.mrb`, as the Save dialog does."""
        self.scene.SetRootDirectory(str(path.parent))
        self.scene.SetURL(str(path))
        # WriteToMRB leaves the process in another working directory.
        with _same_working_directory():
            if not self.scene.WriteToMRB(str(path)):
                raise OSError(f"{path}: the scene could not be written")

    def load_scene(self, path: Path) -> None:
        """Replace the scene by a `.mrb` file."""
        with _same_working_directory():
            if not self.scene.ReadFromMRB(str(path), True):
                raise OSError(f"{path}: the scene could not be read")
        for view in self.views:
            view.node.Modified()  # The application resizes its views; without it they stay as they were.

    def clear(self) -> None:
        """Close the scene; views and their slice nodes stay, as in the application."""
        self.scene.Clear(0)
        for view in self.views:
            view.reset()
        self.errors.clear()

    def close(self) -> None:
        """Release the views, then the scene: the other order crashes."""
        for view in self.views:
            view.close()
        self.scene.Clear(1)
        for observer in self._observers:
            vtk.vtkOutputWindow.GetInstance().RemoveObserver(observer)
        self._home.cleanup()

    def _make_application_logic(self):
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetMRMLScene(self.scene)
        # Without the folder of color files the logic prints an error; it is empty here.
        (Path(self._home.name) / "share" / "ColorFiles").mkdir(parents=True)
        logic.SetHomeDirectory(self._home.name)
        logic.SetShareDirectory("share")
        logic.SetTemporaryPath(self._home.name)
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        for factory in (
            slicer.vtkMRMLSliceViewDisplayableManagerFactory,
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
        ):
            factory.GetInstance().SetMRMLApplicationLogic(logic)
        return logic

    def _make_logic(self, name: str, kind: type):
        logic = kind()
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        self.application_logic.SetModuleLogic(name, logic)
        return logic

    def _make_file_logics(self):
        """Set up what `.mrml` and `.mrb` files are read and written through."""
        remote, data_io = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
        for logic in (remote, data_io):
            logic.SetMRMLScene(self.scene)
            logic.SetMRMLApplicationLogic(self.application_logic)
        cache = Path(self._home.name) / "cache"
        cache.mkdir()
        remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        data_io.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.AddDataIOToScene()
        return remote, data_io

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _add_to_hierarchy(self, caller, event, node) -> None:
        """Give a new node its place in the subject hierarchy, which is the application's task."""
        if isinstance(node, slicer.vtkMRMLDisplayableNode) and not node.GetHideFromEditors():
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
            if not self.scene.IsImporting() and not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_STRING)
    def _keep_error(self, caller, event, text: str) -> None:
        self.errors.append(text)


def install_translation() -> None:
    """Give the `slicer` package its `i18n`, which is part of the application and not of the package."""
    if "slicer.i18n" in sys.modules:
        return
    module = types.ModuleType("slicer.i18n")
    module.tr = lambda text: text
    module.translate = lambda context, text: text
    slicer.i18n = sys.modules["slicer.i18n"] = module


@contextlib.contextmanager
def _same_working_directory():
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)
