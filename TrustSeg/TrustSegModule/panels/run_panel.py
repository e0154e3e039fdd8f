"""The section "Segment": image, model, device, the button, and the progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from TrustSegModule.app.models import Model
from TrustSegModule.jobs.tasks import task_of
from TrustSegModule.panels.controls import chosen_key, fill_selector, show_fraction
from TrustSegModule.panels.text import device_title, progress_text
from TrustSegModule.scene.inputs import place_box
from TrustSegModule.scene.maps import MAP_ATTRIBUTE

if TYPE_CHECKING:
    from TrustSegLib.worker import Device, Progressed
    from TrustSegModule.app.parameters import TrustSegParameterNode
    from TrustSegModule.jobs.runner import Task


class RunPanel:
    """Drives the widgets of the section "Segment".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    models : sequence of Model
        To choose from.
    on_click : callable
        Called when the button is pressed.
    """

    def __init__(self, ui, models: Sequence[Model], on_click: Callable[[], None]) -> None:
        self._ui, self._models = ui, {model.name: model for model in models}
        self._parameters: TrustSegParameterNode | None = None
        self._devices: tuple[Device, ...] = ()
        self._running = self._stopping = self._batch_runs = False
        self._reason: str | None = None
        self._notices: list[str] = []
        ui.segmentButton.clicked.connect(lambda *_arguments: on_click())
        ui.modelSelector.currentIndexChanged.connect(self._on_model)
        ui.deviceSelector.currentIndexChanged.connect(self._on_device)

    @property
    def model(self) -> Model | None:
        """The chosen model; None for the one that fits the image."""
        return self._models.get(chosen_key(self._ui.modelSelector))

    @property
    def device(self) -> str:
        """The device that the panel shows: the settings may name one that this computer does not have."""
        return chosen_key(self._ui.deviceSelector) or "auto"

    @property
    def task(self) -> Task:
        """What a click on Segment asks for."""
        return task_of(self._parameters, self.model, self.device)

    def place_region(self) -> None:
        """Put a new region around the image: without a position it would be invisible."""
        box, image = self._parameters.region, self._parameters.inputVolume
        if box is not None and image is not None:
            place_box(box, image)

    def follow(self, parameters: TrustSegParameterNode | None) -> None:
        """Show the settings of a scene; None while there is no scene."""
        self._parameters = parameters
        if parameters is not None:
            self.refresh()

    def refresh(self) -> None:
        """Bring all widgets up to date."""
        models = [("", _("Auto (the one that fits the image)")), *((name, name) for name in self._models)]
        fill_selector(self._ui.modelSelector, models, self._parameters.model)
        self._fill_devices()
        self._describe_model()
        self._update_button()

    def show_devices(self, devices: tuple[Device, ...]) -> None:
        """List the devices that the worker has found."""
        self._devices = devices
        if self._parameters is not None:
            self._fill_devices()

    def show_running(self, running: bool) -> None:
        """Turn Segment into Cancel and back, and lock what must not change in between."""
        self._running, self._stopping = running, False
        self._notices.clear()
        self._ui.inputSection.setEnabled(not running)
        self._ui.progressBar.setVisible(running)
        show_fraction(self._ui.progressBar, 0.0)
        self._update_button()

    def show_batch(self, running: bool) -> None:
        """Lock the button while a batch has the worker."""
        self._batch_runs = running
        self._update_button()

    def show_progress(self, event: Progressed) -> None:
        """Show the progress of the segmentation."""
        show_fraction(self._ui.progressBar, event.fraction)
        self.show_status("\n".join([progress_text(event), *self._notices]))

    def show_notice(self, text: str) -> None:
        """Show how the run differs, such as smaller patches; it stays until the run is over."""
        self._notices.append(text)
        self.show_status(text)

    def show_status(self, text: str) -> None:
        """Show a text below the button."""
        self._ui.statusLabel.setText(text)

    def show_cancelling(self) -> None:
        """Show that the run is being canceled, and disable the button."""
        self._stopping = True
        self._update_button()
        self.show_status(_("Stopping..."))

    def _update_button(self) -> None:
        reason = None if self._running else self._obstacle()
        self._ui.segmentButton.setText(_("Cancel") if self._running else _("Segment"))
        self._ui.segmentButton.setEnabled(reason is None and not self._stopping)
        self._ui.segmentButton.setToolTip(reason or _("Segment the image, or stop a running segmentation."))
        if reason is not None:
            self.show_status(reason)
        elif self._reason is not None:
            self.show_status("")
        self._reason = reason

    def _obstacle(self) -> str | None:
        """Why nothing can be segmented yet, for the user."""
        if self._batch_runs:
            return _("A batch is running: wait for it, or cancel it below.")
        volume = self._parameters.inputVolume if self._parameters is not None else None
        if volume is None:
            return _("Load an image and choose it first.")
        if volume.GetAttribute(MAP_ATTRIBUTE):
            return _("This is an uncertainty map: choose the image.")
        if volume.IsA("vtkMRMLLabelMapVolumeNode"):
            return _("This is a label map: choose the image.")
        return None if self._models else _("No model is installed.")

    def _on_model(self, *_arguments) -> None:
        if self._parameters is not None:
            self._parameters.model = chosen_key(self._ui.modelSelector)
        self._describe_model()

    def _on_device(self, *_arguments) -> None:
        if self._parameters is not None:
            self._parameters.device = chosen_key(self._ui.deviceSelector)

    def _fill_devices(self) -> None:
        entries = [(device.name, device_title(device)) for device in self._devices]
        graphics = [title for name, title in entries if name != "cpu"]
        best = (graphics or [title for _name, title in entries])[:1]
        auto = _("Auto ({device})").format(device=best[0]) if best else _("Auto")
        known = entries or self._devices_before_ready()
        fill_selector(self._ui.deviceSelector, [("auto", auto), *known], self._parameters.device)

    def _devices_before_ready(self) -> list[tuple[str, str]]:
        """Devices before the worker has reported them: the CPU, and one that is chosen already."""
        chosen = self._parameters.device
        return [("cpu", _("CPU"))] + [(name, name) for name in {chosen} - {"auto", "cpu"}]

    def _describe_model(self) -> None:
        model = self.model
        models = list(self._models.values()) if model is None else [model]
        self._ui.modelDescription.setText(_choices(models) if model is None else _summary(model))
        self._ui.modelDescription.setToolTip("<br><br>".join(map(_details, models)))


def _choices(models: Sequence[Model]) -> str:
    """From which models the one that fits is chosen."""
    titles = [_fact(model.name, model.description["description"]) for model in models]
    return "<br>".join([*titles, _research_use()])


def _summary(model: Model) -> str:
    """What the user must know before segmenting; the rest is in the tool tip."""
    trained = _fact(_("Trained on"), model.trained_on)
    return "<br>".join([escape(model.description["description"]), trained, _research_use()])


def _research_use() -> str:
    return f"<i>{escape(_('For research use only.'))}</i>"


def _details(model: Model) -> str:
    text = model.description
    facts = {
        _("Image"): model.images,
        _("Structures"): ", ".join(structure["name"] for structure in text["structures"]),
        _("Data"): text["training"]["data"],
        _("License of the weights"): text["license"],
        _("Version"): text["version"],
    }
    return "<br>".join(_fact(name, value) for name, value in facts.items())


def _fact(name: str, value: str) -> str:
    return f"<b>{escape(name)}:</b> {escape(value)}"
