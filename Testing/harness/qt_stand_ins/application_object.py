"""Stands in for `slicer.app`: the parts of it that a module may use, over real MRML."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from qt_stand_ins.signals import Signal

SLICES = ("Red", "Green", "Yellow")


class MainWindow(QtWidgets.QMainWindow):
    """What `slicer.util.mainWindow()` finds."""

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setStatusBar(QtWidgets.QStatusBar())


class ApplicationObject:
    """`slicer.app`; a name that is not here raises AttributeError.

    `restarts` counts the calls of `restart`. With `testing` on, `slicer.util` shows no dialogs, as under
    `Slicer --testing`. With `main_window` None there are no views, as under `Slicer --no-main-window`.
    """

    applicationName, applicationVersion = "Slicer", "5.12.3"
    majorVersion, minorVersion = 5, 12

    def __init__(self, application, qt_application: QtWidgets.QApplication):
        self._application, self._qt = application, qt_application
        self.aboutToQuit, self.startupCompleted = Signal(), Signal()
        self.testing, self.restarts = False, 0
        self.main_window: MainWindow | None = MainWindow()
        self.temporaryPath = tempfile.gettempdir()
        self._layout_manager = LayoutManager(application)

    def applicationLogic(self):
        return self._application.application_logic

    def mrmlScene(self):
        return self._application.scene

    def layoutManager(self) -> LayoutManager | None:
        return self._layout_manager if self.main_window else None

    def testingEnabled(self) -> bool:
        return self.testing

    def commandOptions(self) -> SimpleNamespace:
        return SimpleNamespace(testingEnabled=self.testing, noMainWindow=self.main_window is None)

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return [self.main_window] if self.main_window else []

    def processEvents(self, *arguments) -> None:
        self._qt.processEvents()

    def palette(self) -> QtGui.QPalette:
        return self._qt.palette()

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    userSettings = revisionUserSettings = settings

    def setOverrideCursor(self, cursor) -> None:
        self._qt.setOverrideCursor(QtGui.QCursor(cursor))

    def restoreOverrideCursor(self) -> None:
        self._qt.restoreOverrideCursor()

    def pauseRender(self) -> None:
        """Off-screen views draw when they are grabbed."""

    def resumeRender(self) -> None:
        """Off-screen views draw when they are grabbed."""

    def restart(self) -> None:
        self.restarts += 1

    def translate(self, context: str, text: str) -> str:
        return text

    def startupEnvironment(self) -> dict[str, str]:
        return dict(os.environ)

    def thread(self) -> QtCore.QThread:
        return self._qt.thread()

    def coreIOManager(self) -> FileManager:
        return FileManager(self._application)

    ioManager = coreIOManager


class LayoutManager:
    """The views, all there from the start; what draws is `application.slice_view(name)`."""

    tableViewCount, plotViewCount, threeDViewCount = 0, 0, 1

    def __init__(self, application):
        self._application = application
        self.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        for name in SLICES:
            application.slice_view(name)
        application.three_d_view()

    def setLayout(self, layout: int) -> None:
        self.layout = layout

    def sliceViewNames(self) -> tuple[str, ...]:
        return SLICES

    def sliceWidget(self, name: str) -> SimpleNamespace:
        view = self._application.slice_view(name)
        return SimpleNamespace(
            sliceLogic=lambda: view.logic,
            mrmlSliceNode=lambda: view.node,
            sliceView=lambda: _drawn(view),
            sliceController=lambda: SimpleNamespace(fitSliceToBackground=view.fit),
            fitSliceToBackground=view.fit,
        )

    def threeDWidget(self, index: int) -> SimpleNamespace:
        if index != 0:
            raise IndexError(f"3D view {index}: there is one")
        view = self._application.three_d_view()
        return SimpleNamespace(threeDView=lambda: _drawn(view), mrmlViewNode=lambda: view.node)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._application.application_logic.GetSliceLogics()

    def resetSliceViews(self) -> None:
        for name in SLICES:
            self._application.slice_view(name).fit()

    def resetThreeDViews(self) -> None:
        self._application.three_d_view().fit()


def _drawn(view) -> SimpleNamespace:
    return SimpleNamespace(
        forceRender=view.render_window.Render,
        scheduleRender=lambda: None,
        renderWindow=lambda: view.render_window,
        mrmlViewNode=lambda: view.node,
        resetFocalPoint=view.renderer.ResetCamera,
        resetCamera=view.renderer.ResetCamera,
    )


class FileManager:
    """Reads volumes and whole scenes, writes scenes: `slicer.util.loadVolume`, `loadScene`, `saveScene`."""

    def __init__(self, application):
        self._application = application

    def fileType(self, path: str) -> str:
        return "SceneFile" if path.endswith((".mrml", ".mrb")) else "VolumeFile"

    def loadNodes(self, kind: str, properties: dict, loaded: vtk.vtkCollection, messages=None) -> bool:
        path = Path(properties["fileName"])
        if kind == "SceneFile":
            self._application.load_scene(path)
            return True
        if kind != "VolumeFile":
            raise NotImplementedError(f"files of type {kind}")
        labels = properties.get("labelmap")
        node_class = "vtkMRMLLabelMapVolumeNode" if labels else "vtkMRMLScalarVolumeNode"
        name = properties.get("name") or path.name.partition(".")[0]
        scene = self._application.scene
        node = scene.AddNewNodeByClass(node_class, scene.GenerateUniqueName(name))
        storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        node.SetAndObserveStorageNodeID(storage.GetID())
        if not storage.ReadData(node):
            scene.RemoveNode(node)
            return False
        node.CreateDefaultDisplayNodes()
        loaded.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict, messages=None) -> bool:
        if kind != "SceneFile":
            raise NotImplementedError(f"files of type {kind}")
        self._application.save_scene(Path(properties["fileName"]))
        return True
