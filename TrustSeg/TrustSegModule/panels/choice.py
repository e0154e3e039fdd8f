"""A combo box whose entries have a key for the program and a title for people."""

from __future__ import annotations

from collections.abc import Sequence


def fill(selector, entries: Sequence[tuple[str, str]], chosen: str) -> None:
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


def key_of(selector) -> str:
    """Return the key of the chosen entry, or an empty string where there is none."""
    return selector.itemData(selector.currentIndex) or ""
