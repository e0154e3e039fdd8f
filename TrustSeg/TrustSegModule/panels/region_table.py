"""The list of places to look at, the one that could change the result most first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.panels import table
from TrustSegModule.panels.numbers import decision_title, percent, position, volume
from TrustSegModule.review import REGION, Item, Review
from TrustSegModule.viewpoint import world_position

STRUCTURES, WRONG, PEAK, POSITION, DECISION = range(5)
MOST_ROWS = 8


class RegionTable:
    """Drives the table of regions.

    Parameters
    ----------
    widget : QTableWidget
    on_region : callable
        Called with the index of the region that a person has chosen, also when it is chosen again.
    """

    def __init__(self, widget, on_region: Callable[[int], None]) -> None:
        self._table, self._on_region = widget, on_region
        table.prepare(widget, _titles())
        widget.itemSelectionChanged.connect(self._on_selection)
        widget.itemDoubleClicked.connect(lambda *_arguments: self._on_selection())

    def show(self, regions: Sequence[dict[str, Any]], review: Review | None) -> None:
        """Fill the table; what is selected stays selected."""
        chosen = table.selected_row(self._table)
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(len(regions))
        for line, region in enumerate(regions):
            self._show_row(line, region, review)
        self._table.blockSignals(blocked)
        table.select_quietly(self._table, chosen if chosen is not None and chosen < len(regions) else None)
        table.fit_height(self._table, MOST_ROWS)

    def select(self, index: int | None) -> None:
        """Select a region, or none, without telling anybody."""
        table.select_quietly(self._table, index)
        if index is not None:
            self._table.scrollToItem(self._table.item(index, STRUCTURES))

    def _show_row(self, line: int, region: dict[str, Any], review: Review) -> None:
        item = Item(REGION, region["rank"])
        names = ", ".join(region["structures"])
        place = position(world_position(review.node, region["position_ras_mm"]))
        text = _("{rank}. {names}").format(rank=region["rank"], names=names)
        table.put(self._table, line, STRUCTURES, text, text)
        table.put(self._table, line, WRONG, volume(region["expected_wrong_ml"]))
        table.put(self._table, line, PEAK, percent(region["peak"], 0))
        table.put(self._table, line, POSITION, place)
        decision = decision_title(review.decision(item))
        table.put(self._table, line, DECISION, decision, review.comment(item))

    def _on_selection(self) -> None:
        row = table.selected_row(self._table)
        if row is not None:
            self._on_region(row)


def _titles() -> list[tuple[str, str]]:
    """Title and tool tip of each column, in the order of the constants."""
    return [
        (_("Region"), _("Its rank, and the structures that meet there.")),
        (_("Wrong\n(ml)"), _("How much of it is expected to be labeled wrong.")),
        (_("Peak\n(%)"), _("Largest probability that a voxel's label is wrong.")),
        (_("Position\n(mm)"), _("To the right or left, to the front or back, up or down.")),
        (_("Review"), _("What was decided about the region.")),
    ]
