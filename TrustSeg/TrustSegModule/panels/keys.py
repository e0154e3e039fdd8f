"""Keys that work while the panel is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt
import slicer


class Keys:
    """Keys of the main window, from `hold` to `release`.

    A text field that has the focus takes letters for itself: Qt asks it before it looks for a shortcut.

    Parameters
    ----------
    actions : mapping of str to callable
        By the key, such as "U".
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._shortcuts: list = []

    def hold(self) -> None:
        """The panel is opened."""
        self.release()
        window = slicer.util.mainWindow()
        if window is None:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)

    def release(self) -> None:
        """Another panel is opened: the keys are given back."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()
