"""The TrustSeg module of 3D Slicer: plumbing between the application and `TrustSegModule`."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from TrustSegModule import make_library_importable
from TrustSegModule.app.self_test import TrustSegTest

__all__ = ["TrustSeg", "TrustSegLogic", "TrustSegTest", "TrustSegWidget"]

make_library_importable(Path(__file__).parent)


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
<p>Choose an image and a model and click Segment. The mask appears as an outline, the probability that a voxel
is labeled wrong as colors over the image; the key U hides the colors. The keys N and P go to the next and the
previous region to review. For research use only: not a medical
device.</p>
""")
        self.parent.acknowledgementText = _("""
<p>The method follows SUPER-Net (Carannante et al., Pattern Recognition 2025), Sagar (WACV Workshops 2022) and
Testing the Trust (MIDL 2026). The bundled hippocampus model was trained on the Medical Segmentation Decathlon
(Antonelli et al., Nature Communications 2022, CC BY-SA 4.0).</p>
""")
        slicer.app.startupCompleted.connect(_register_sample_data)


def _register_sample_data() -> None:
    """After the start: the module Sample Data may be loaded later than this one."""
    from TrustSegModule.app.host import register_sample_data

    register_sample_data()


class TrustSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: connects its parts with the application and with the scene."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters = None
        self.closed = False

    def setup(self) -> None:
        super().setup()
        from TrustSegModule.app.models import installed_models
        from TrustSegModule.panels import BatchPanel, Keys, OverlayPanel, ResultsPanel, ReviewPanel, RunPanel
        from TrustSegModule.panels.batch_session import BatchSession
        from TrustSegModule.panels.controls import Settings
        from TrustSegModule.panels.session import Session

        panel = slicer.util.loadUI(self.resourcePath("UI/TrustSeg.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = TrustSegLogic()
        self.settings = Settings(self.ui)
        self.runPanel = RunPanel(self.ui, installed_models(), self.onSegmentButton)
        self.overlayPanel = OverlayPanel(self.ui, slicer.mrmlScene)
        self.reviewPanel = ReviewPanel(self.ui, slicer.mrmlScene, self.onReviewed, self.onRevealed)
        self.resultsPanel = ResultsPanel(
            self.ui, self.reviewPanel.choose_structure, self.reviewPanel.go_to_structure
        )
        self.keys = Keys(
            {
                "U": self.overlayPanel.toggle,
                "N": self.reviewPanel.next,
                "P": self.reviewPanel.previous,
            }
        )
        self.session = Session(slicer.mrmlScene, self.runPanel, self.onResults, self.onOpened)
        self.batchPanel = BatchPanel(
            self.ui, self.onBatchButton, lambda case: self.batch.open(case, slicer.mrmlScene)
        )
        self.batch = BatchSession(self.session, self.batchPanel, self.runPanel.show_batch, self.onOpened)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneReplaced)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneReplaced)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        slicer.app.aboutToQuit.connect(self.closeWorker)
        self.followScene()

    def enter(self) -> None:
        """The panel is opened: its keys are active, and the worker warms up."""
        if self.closed:
            return
        self.followScene()
        self.chooseImage()
        self.reviewPanel.reenter()
        self.keys.hold()
        self.session.warm(self.runPanel.model, self.runPanel.device)

    def exit(self) -> None:
        """Another module is opened: a running segmentation continues, the keys are released."""
        self.keys.release()

    def cleanup(self) -> None:
        """The panel is destroyed; on a reload, without `exit`. Slicer may still call it afterwards."""
        if self.closed:
            return
        self.closed = True
        self.exit()
        slicer.app.aboutToQuit.disconnect(self.closeWorker)
        self.closeWorker()
        self.unfollowScene()
        self.settings.disconnect()
        self.removeObservers()

    def closeWorker(self) -> None:
        """End the worker process."""
        self.batch.close()
        self.session.close()

    def followScene(self) -> None:
        """Use the settings and the results that are in the scene now."""
        if self.parameters is not None:
            return
        self.parameters = self.settings.connect(self.logic.getParameterNode())
        self.chooseImage()
        self.addObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.runPanel.follow(self.parameters)
        self.overlayPanel.follow(self.parameters)
        self.shownInput = self.shownResults = None
        self.refresh()

    def chooseImage(self) -> None:
        """Take the first image of the scene, unless an image is chosen already."""
        if not self.logic.isImage(self.parameters.inputVolume):
            self.parameters.inputVolume = self.logic.firstImage() or self.parameters.inputVolume

    def unfollowScene(self) -> None:
        """Disconnect from the settings of a scene that is closed."""
        if self.parameters is None:
            return
        self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.parameters = None
        self.runPanel.follow(None)
        self.overlayPanel.follow(None)
        self.reviewPanel.show(None, None)
        self.resultsPanel.show(None, {})
        self.shownInput = self.shownResults = None

    def onSceneStartClose(self, caller=None, event=None) -> None:
        self.session.cancel()
        self.unfollowScene()

    def onSceneReplaced(self, caller=None, event=None) -> None:
        self.unfollowScene()
        self.followScene()

    def onNodeRemoved(self, caller=None, event=None) -> None:
        """The user may delete a result in the module Data: the panel must not act on it any more."""
        if self.parameters is not None and self.shownResults is not None:
            results = self.logic.resultsOf(self.shownInput)
            if results != self.shownResults:
                self.showResults(results)

    def onParametersModified(self, caller=None, event=None) -> None:
        # Not while a scene is half loaded: the end of the import follows.
        if not slicer.mrmlScene.IsBatchProcessing():
            self.refresh()

    def refresh(self) -> None:
        """Bring the panel up to date with the settings."""
        self.runPanel.place_region()
        if self.parameters.inputVolume is not self.shownInput:
            was_shown, self.shownInput = self.overlayPanel.shown, self.parameters.inputVolume
            # The status was about another image.
            self.runPanel.show_status("")
            self.showResults(self.logic.resultsOf(self.shownInput))
            # Otherwise the numbers of one image would be shown with the picture of another.
            if was_shown and self.shownResults is not None and self.shownResults.maps:
                self.showUncertainty()
        if self.reviewPanel.concealed:
            self.reviewPanel.follow_settings(self.parameters)
            self.onReviewed()
        self.runPanel.refresh()

    def onSegmentButton(self) -> None:
        if self.session.busy:
            self.session.cancel()
        else:
            self.session.start(self.runPanel.task)

    def onBatchButton(self) -> None:
        from TrustSegModule.jobs import tasks

        if self.batch.busy:
            self.batch.cancel()
            return
        images, output = self.batchPanel.folders
        model, device = self.runPanel.model, self.runPanel.device
        self.batch.start(tasks.batch_of(self.parameters, model, device, images, output))

    def onOpened(self, results) -> None:
        """A case of a batch is in the scene: it becomes the chosen image, as after Segment."""
        from TrustSegModule.app import host
        from TrustSegModule.results.nodes import image_of
        from TrustSegModule.scene import views

        image = image_of(results.segmentation)
        host.show_image(image)
        self.parameters.inputVolume = image
        if self.shownResults != results:
            self.showResults(results)
        self.showUncertainty()
        views.jump_to(slicer.mrmlScene, results.segmentation)

    def onResults(self, results) -> None:
        """A segmentation is done; its image may no longer be the chosen one."""
        from TrustSegModule.scene import views

        first = self.shownResults is None
        self.showResults(self.logic.resultsOf(self.parameters.inputVolume))
        if self.shownResults == results:
            self.showUncertainty()
            # Only once: a user who segments again wants to keep the position.
            if first:
                views.jump_to(slicer.mrmlScene, results.segmentation)

    def showResults(self, results) -> None:
        """Show a result, or None, in the lower parts of the panel."""
        self.shownResults = results
        self.overlayPanel.show_results(results)
        self.reviewPanel.show(results, self.parameters)
        self.onReviewed()

    def showUncertainty(self) -> None:
        """Show the uncertainty over the image, unless the user wants a first look without it."""
        if not self.reviewPanel.concealed:
            self.overlayPanel.reveal()

    def onRevealed(self) -> None:
        """The user has asked for the uncertainty."""
        if self.shownResults.maps:
            self.overlayPanel.reveal()

    def onReviewed(self) -> None:
        """A decision, a mask or the chosen region has changed: update the numbers."""
        review, concealed = self.reviewPanel.review, self.reviewPanel.concealed
        self.overlayPanel.conceal(concealed)
        self.resultsPanel.show(*self.logic.reportAndColors(self.shownResults), review, concealed)
        self.resultsPanel.follow_choice(self.reviewPanel.chosen)


class TrustSegLogic(ScriptedLoadableModuleLogic):
    """What scripts may call without a panel."""

    def getParameterNode(self):
        """Return the settings of the panel in the current scene."""
        from TrustSegModule.app.parameters import TrustSegParameterNode

        return TrustSegParameterNode(super().getParameterNode())

    def libraryVersion(self) -> str:
        """Version of the TrustSegLib that this Slicer uses."""
        from TrustSegLib.version import __version__

        return __version__

    def segment(self, inputVolume, model: str = "", device: str = "auto", region=None, allMaps: bool = False):
        """Segment a volume and wait: for scripts and batch.

        Parameters
        ----------
        inputVolume : vtkMRMLScalarVolumeNode
            The image.
        model : str
            Name of a bundled or added model; by default the one that fits the image.
        device : str
            "auto", "cpu" or "cuda:N".
        region : vtkMRMLMarkupsROINode, optional
            Part of the image to segment.
        allMaps : bool
            Whether to make every uncertainty map.

        Returns
        -------
        ResultNodes
            `segmentation`, and `maps` by name.

        Raises
        ------
        SceneError
            A node cannot be used, or there is no such model.
        WorkerError
            The segmentation failed.
        """
        from TrustSegModule.app.models import find_model
        from TrustSegModule.jobs import tasks
        from TrustSegModule.jobs.runner import Task

        chosen = find_model(model) if model else None
        task = Task(inputVolume, chosen, device, region, tasks.map_names(allMaps))
        return tasks.carry_out(slicer.mrmlScene, task)

    def firstImage(self):
        """The first volume of the scene that can be segmented, or None."""
        from TrustSegModule.scene.inputs import first_image

        return first_image(slicer.mrmlScene)

    def isImage(self, volume) -> bool:
        """Whether a volume, or None, is one of the scene that can be segmented."""
        from TrustSegModule.scene.inputs import is_image

        return is_image(slicer.mrmlScene, volume)

    def resultsOf(self, inputVolume):
        """The result on a volume, or None."""
        from TrustSegModule.results.nodes import find_results

        return None if inputVolume is None else find_results(slicer.mrmlScene, inputVolume)

    def reportAndColors(self, results):
        """The report of a result and the colors of its structures; (None, {}) without one."""
        from TrustSegModule.results.nodes import report_and_colors

        return report_and_colors(results)
