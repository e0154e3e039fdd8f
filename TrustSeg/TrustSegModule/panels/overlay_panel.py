"""The section "Overlay": display of mask and uncertainty over the image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import slicer

from TrustSegModule.panels.controls import chosen_key, fill_selector
from TrustSegModule.results.nodes import show_only
from TrustSegModule.scene import overlay, surface
from TrustSegModule.scene.maps import COLOR_MAPS, scale_of

if TYPE_CHECKING:
    from TrustSegModule.app.parameters import TrustSegParameterNode
    from TrustSegModule.results.nodes import ResultNodes

SLIDER_STEPS = 100


class OverlayPanel:
    """Drives the widgets of the section "Overlay".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    scene : vtkMRMLScene
        Where the nodes are.
    """

    def __init__(self, ui, scene: slicer.vtkMRMLScene) -> None:
        self._ui, self._scene = ui, scene
        self._parameters: TrustSegParameterNode | None = None
        self._results: ResultNodes | None = None
        self._updating = False
        for signal, action in (
            (ui.showOverlayCheckBox.toggled, self._apply_shown),
            (ui.mapSelector.currentIndexChanged, self._apply_map),
            (ui.thresholdSlider.valueChanged, self._apply_threshold),
            (ui.opacitySlider.valueChanged, self._apply_opacity),
            (ui.colorMapSelector.currentIndexChanged, self._apply_colors),
            (ui.outlineCheckBox.toggled, self._apply_outline),
            (ui.show3DCheckBox.toggled, self._apply_3d),
            (ui.color3DCheckBox.toggled, self._apply_3d_colors),
        ):
            signal.connect(self._unless_updating(action))

    def follow(self, parameters: TrustSegParameterNode | None) -> None:
        """Use the settings of a scene; None while there is no scene."""
        self.show_results(None)
        self._parameters = parameters

    def show_results(self, results: ResultNodes | None) -> None:
        """Show the state of a result's nodes in the widgets; None where there is no result."""
        self._results = results
        if results is not None:
            show_only(self._scene, results.segmentation)
        self._ui.overlaySection.setVisible(results is not None and bool(results.maps))
        if self._map is not None:
            with self._updating_widgets():
                self._read_nodes()

    @property
    def shown(self) -> bool:
        """Whether the uncertainty is shown over the image."""
        return self._map is not None and overlay.is_shown(self._scene, self._map)

    def reveal(self) -> None:
        """Show a new result over its image, with the settings of this panel."""
        overlay.set_outline(self._results.segmentation, self._parameters.outline)
        overlay.set_color_map(self._scene, self._map, self._parameters.colorMap)
        overlay.show(self._scene, self._map, self._image, self._parameters.opacity)
        self.show_results(self._results)

    def conceal(self, concealed: bool) -> None:
        """Hide the uncertainty and lock its controls, or unlock them."""
        if concealed and self._map is not None:
            self._ui.showOverlayCheckBox.setChecked(False)
            self._ui.color3DCheckBox.setChecked(False)
        for widget in (self._ui.showOverlayCheckBox, self._ui.color3DCheckBox):
            widget.setEnabled(not concealed)

    def toggle(self) -> None:
        """Show or hide the uncertainty: the key U."""
        if self._map is not None:
            self._ui.showOverlayCheckBox.click()

    @property
    def _map(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The chosen map, or the first one."""
        if self._results is None:
            return None
        maps = self._results.maps
        return maps.get(self._parameters.map) or next(iter(maps.values()), None)

    @property
    def _image(self) -> slicer.vtkMRMLScalarVolumeNode:
        return self._parameters.inputVolume

    def _read_nodes(self) -> None:
        ui, maps, segmentation = self._ui, self._results.maps, self._results.segmentation
        ui.showOverlayCheckBox.setChecked(overlay.is_shown(self._scene, self._map))
        fill_selector(
            ui.mapSelector,
            [(name, scale_of(node).title) for name, node in maps.items()],
            self._parameters.map,
        )
        self._read_threshold()
        ui.opacitySlider.setValue(100 * self._parameters.opacity)
        fill_selector(ui.colorMapSelector, [(name, name) for name in COLOR_MAPS], self._parameters.colorMap)
        ui.outlineCheckBox.setChecked(self._parameters.outline)
        ui.show3DCheckBox.setChecked(surface.is_shown(segmentation))
        ui.color3DCheckBox.setChecked(surface.is_colored(segmentation))

    def _read_threshold(self) -> None:
        scale, slider = scale_of(self._map), self._ui.thresholdSlider
        low, high = scale.low * scale.factor, scale.high * scale.factor
        # Properties: in Slicer's Python this widget has no setRange and the like.
        slider.suffix = f" {scale.unit}" if scale.unit else ""
        slider.decimals = 1 if scale.factor > 1 else 3
        slider.minimum, slider.maximum = low, high
        slider.singleStep = (high - low) / SLIDER_STEPS
        slider.setValue(self._map.GetDisplayNode().GetLowerThreshold() * scale.factor)

    def _apply_shown(self) -> None:
        if self._ui.showOverlayCheckBox.checked:
            overlay.show(self._scene, self._map, self._image, self._parameters.opacity)
        else:
            overlay.hide(self._scene, self._map)

    def _apply_map(self) -> None:
        was_shown, colored = overlay.is_shown(self._scene, self._map), self._ui.color3DCheckBox.checked
        if was_shown:
            overlay.hide(self._scene, self._map)
        self._parameters.map = chosen_key(self._ui.mapSelector)
        overlay.set_color_map(self._scene, self._map, self._parameters.colorMap)
        if was_shown:
            overlay.show(self._scene, self._map, self._image, self._parameters.opacity)
        if colored:
            surface.color_by(self._scene, self._results.segmentation, self._map)
        with self._updating_widgets():
            self._read_threshold()

    def _apply_threshold(self) -> None:
        overlay.set_threshold(self._map, self._ui.thresholdSlider.value / scale_of(self._map).factor)

    def _apply_opacity(self) -> None:
        self._parameters.opacity = self._ui.opacitySlider.value / 100
        overlay.set_opacity(self._scene, self._map, self._parameters.opacity)

    def _apply_colors(self) -> None:
        self._parameters.colorMap = chosen_key(self._ui.colorMapSelector)
        overlay.set_color_map(self._scene, self._map, self._parameters.colorMap)

    def _apply_outline(self) -> None:
        self._parameters.outline = self._ui.outlineCheckBox.checked
        overlay.set_outline(self._results.segmentation, self._parameters.outline)

    def _apply_3d(self) -> None:
        shown = self._ui.show3DCheckBox.checked
        surface.show(self._scene, self._results.segmentation, shown)
        if shown:
            _center_3d_views()

    def _apply_3d_colors(self) -> None:
        chosen = self._map if self._ui.color3DCheckBox.checked else None
        surface.color_by(self._scene, self._results.segmentation, chosen)

    def _unless_updating(self, action: Callable[[], None]) -> Callable[..., None]:
        """Return a slot that skips the action while the widgets are being updated."""

        def act(*_arguments) -> None:
            if not self._updating and self._map is not None:
                action()

        return act

    @contextmanager
    def _updating_widgets(self):
        self._updating = True
        try:
            yield
        finally:
            self._updating = False


def _center_3d_views() -> None:
    """Center the 3D views on the mask, which may be small and far from the middle."""
    layouts = slicer.app.layoutManager()
    for number in range(layouts.threeDViewCount if layouts is not None else 0):
        layouts.threeDWidget(number).threeDView().resetFocalPoint()
