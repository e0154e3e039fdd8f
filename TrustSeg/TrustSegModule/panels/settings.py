"""The settings of the scene, tied to the widgets that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from TrustSegModule.parameters import TrustSegParameterNode

WIDGETS = {
    "inputVolume": "inputSelector",
    "region": "regionSelector",
    "allMaps": "allMapsCheckBox",
    "revealLater": "revealLaterCheckBox",
}
"""Setting and name of its widget; the other settings are the affair of the panel's parts."""


class Settings:
    """Ties settings and widgets once: closing a scene empties and keeps the node of the settings.

    A wrapper that is dropped takes its observer with it, which VTK then calls: so it is never dropped.

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    """

    def __init__(self, ui) -> None:
        self._widgets = {setting: getattr(ui, widget) for setting, widget in WIDGETS.items()}
        self._settings: TrustSegParameterNode | None = None
        self._tag: str | None = None

    def connect(self, settings: TrustSegParameterNode) -> TrustSegParameterNode:
        """Tie these settings, unless they are tied already; return those to use."""
        if self._settings is None or self._settings.parameterNode is not settings.parameterNode:
            self._settings = settings
            # Not connectGui: it gives no tag, and what has none is never disconnected.
            self._tag = settings.connectParametersToGui(self._widgets)
        return self._settings

    def disconnect(self) -> None:
        """Let the widgets go; for the end of the panel."""
        if self._settings is not None:
            self._settings.disconnectGui(self._tag)
