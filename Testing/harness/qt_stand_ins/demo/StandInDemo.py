"""A scripted module that uses each thing that has a stand-in: their tests open it."""

from __future__ import annotations

import enum
from typing import Annotated

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Method(enum.Enum):
    FIRST = "first"
    SECOND = "second"


@parameterNodeWrapper
class DemoParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    opacity: Annotated[float, WithinRange(0, 1)] = 0.5
    outline: bool = True
    name: str = "unnamed"
    method: Method = Method.FIRST


class StandInDemo(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Demo")
        self.parent.categories = ["Testing"]


class StandInDemoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self) -> None:
        super().setup()
        panel = slicer.util.loadUI(self.resourcePath("UI/StandInDemo.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = StandInDemoLogic()
        self.settings = None
        self.ticks = 0
        self.timer = qt.QTimer()
        self.timer.setInterval(1)
        self.timer.timeout.connect(self.onTick)
        self.shortcut = qt.QShortcut(qt.QKeySequence("U"), slicer.util.mainWindow())
        self.shortcut.activated.connect(self.onToggle)
        self.ui.applyButton.clicked.connect(self.onApply)
        slicer.app.aboutToQuit.connect(self.cleanup)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onClosed)
        self.onClosed()
        self.fillTable()

    def fillTable(self) -> None:
        table = self.ui.table
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Structure"), _("Volume")])
        table.rowCount = 1
        table.setItem(0, 0, qt.QTableWidgetItem("Liver"))
        table.setItem(0, 1, qt.QTableWidgetItem("1400 ml"))

    def cleanup(self) -> None:
        self.timer.stop()
        self.removeObservers()
        self.shortcut.setEnabled(False)

    def onClose(self, caller=None, event=None) -> None:
        self.removeObserver(self.settings, vtk.vtkCommand.ModifiedEvent, self.update)
        self.settings = None

    def onClosed(self, caller=None, event=None) -> None:
        self.settings = self.logic.getParameterNode()
        self.settings.connectGui(self.ui)
        self.addObserver(self.settings, vtk.vtkCommand.ModifiedEvent, self.update)
        self.update()

    def update(self, caller=None, event=None) -> None:
        volume = self.settings.inputVolume
        self.ui.applyButton.enabled = volume is not None
        self.ui.applyButton.toolTip = _("Apply") if volume else _("Choose a volume")
        self.ui.status.text = volume.GetName() if volume else ""

    def onToggle(self) -> None:
        self.settings.outline = not self.settings.outline

    def onTick(self) -> None:
        self.ticks += 1
        self.ui.progress.value = min(self.ticks, 100)

    def onApply(self) -> None:
        if not slicer.util.confirmOkCancelDisplay(_("Start now?"), windowTitle=_("Demo")):
            return
        qt.QSettings().setValue("StandInDemo/Started", True)
        self.timer.start()


class StandInDemoLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return DemoParameterNode(super().getParameterNode())


class StandInDemoTest(ScriptedLoadableModuleTest):
    def runTest(self) -> None:
        self.delayDisplay("passed")
