"""Controls of the panel: selectors, the widgets that show the settings of the scene, and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import qt
import slicer

if TYPE_CHECKING:
    from TrustSegModule.app.parameters import TrustSegParameterNode

SETTING_WIDGETS = {
    "inputVolume": "inputSelector",
    "region": "regionSelector",
    "allMaps": "allMapsCheckBox",
    "revealLater": "revealLaterCheckBox",
}
"""Settings and names of their widgets; the parts of the panel handle the other settings."""


def fill_selector(selector, entries: Sequence[tuple[str, str]], chosen: str) -> None:
    """Put entries (key, title) into a combo box and choose one, without a signal.

    Parameters
    ----------
    selector : QComboBox
    entries : sequence of (str, str)
        Key and title.
    chosen : str
        Key of the entry to choose; the first one where there is none of this key.
    """
    blocked = selector.blockSignals(True)
    selector.clear()
    for key, title in entries:
        selector.addItem(title, key)
    selector.setCurrentIndex(max(selector.findData(chosen), 0))
    selector.blockSignals(blocked)


def chosen_key(selector) -> str:
    """Return the key of the chosen entry, or an empty string where there is none."""
    return selector.itemData(selector.currentIndex) or ""


def show_fraction(progress_bar, fraction: float) -> None:
    """Show a fraction, 0 to 1, of the maximum of a progress bar."""
    progress_bar.setValue(round(progress_bar.maximum * fraction))


class Settings:
    """Connects settings and widgets once: closing a scene resets and keeps the node of the settings.

    A wrapper that is garbage collected leaves a dangling observer to VTK: so it is kept.

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    """

    def __init__(self, ui) -> None:
        self._widgets = {setting: getattr(ui, widget) for setting, widget in SETTING_WIDGETS.items()}
        self._settings: TrustSegParameterNode | None = None
        self._tag: str | None = None

    def connect(self, settings: TrustSegParameterNode) -> TrustSegParameterNode:
        """Connect these settings, unless they are connected already; return those to use."""
        if self._settings is None or self._settings.parameterNode is not settings.parameterNode:
            self._settings = settings
            # Not connectGui: it gives no tag, and what has none is never disconnected.
            self._tag = settings.connectParametersToGui(self._widgets)
        return self._settings

    def disconnect(self) -> None:
        """Disconnect the widgets; for the end of the panel."""
        if self._settings is not None:
            self._settings.disconnectGui(self._tag)


class Keys:
    """Keys of the main window, from `hold` to `release`.

    A text field with the focus receives letters before the shortcuts do.

    Parameters
    ----------
    actions : mapping of str to callable
        By the key, such as "U".
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._shortcuts: list = []

    def hold(self) -> None:
        """Activate the keys: the panel is opened."""
        self.release()
        window = slicer.util.mainWindow()
        if window is None:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)

    def release(self) -> None:
        """Release the keys: another panel is opened."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()
