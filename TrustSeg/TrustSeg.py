"""The TrustSeg module of 3D Slicer: plumbing between the application and `TrustSegModule`."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

from TrustSegModule import make_library_importable


class TrustSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("TrustSeg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["TrustSeg contributors"]
        self.parent.helpText = _("""
<p>Segments an image and shows how sure the model is of every voxel: one pass of a network that carries the
mean and the variance of each activation from the image to the mask.</p>
<p>This version works from the command line; the panel comes with the next one.
For research use only: not a medical device.</p>
""")
        self.parent.acknowledgementText = _("""
<p>The method follows SUPER-Net (Carannante et al., Pattern Recognition 2025), Sagar (WACV Workshops 2022) and
Testing the Trust (MIDL 2026). The bundled hippocampus model was trained on the Medical Segmentation Decathlon
(Antonelli et al., Nature Communications 2022, CC BY-SA 4.0).</p>
""")
        make_library_importable(Path(__file__).parent)


class TrustSegWidget(ScriptedLoadableModuleWidget):
    """The panel: for now, one label."""

    def setup(self) -> None:
        super().setup()
        panel = slicer.util.loadUI(self.resourcePath("UI/TrustSeg.ui"))
        panel.setMRMLScene(slicer.mrmlScene)
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)


class TrustSegLogic(ScriptedLoadableModuleLogic):
    """What scripts may call without a panel."""

    def libraryVersion(self) -> str:
        """Version of the TrustSegLib that this Slicer uses."""
        from TrustSegLib.version import __version__

        return __version__


class TrustSegTest(ScriptedLoadableModuleTest):
    """Runs in Slicer ("Reload and Test") and needs neither torch nor a window."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_library_comes_with_the_module()

    def test_library_comes_with_the_module(self) -> None:
        self.assertRegex(TrustSegLogic().libraryVersion(), r"^\d+\.\d+\.\d+")
        self.delayDisplay(_("Test passed"))
