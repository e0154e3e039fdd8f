"""The section "Review": the list of regions, and the user's decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from TrustSegLib.contract import is_map_calibrated
from TrustSegModule.app import host
from TrustSegModule.panels import table
from TrustSegModule.panels.text import decision_title, map_value, position, volume
from TrustSegModule.results.export import write_review
from TrustSegModule.results.nodes import image_of, report_of
from TrustSegModule.review.decisions import (
    ACCEPTED,
    FLAGGED,
    REGION,
    STRUCTURE,
    Item,
    Review,
    item_title,
    region_items,
    report_regions,
    segment_of,
)
from TrustSegModule.review.edits import edit_uncertain, follow_edits, leave_editor
from TrustSegModule.scene import views
from TrustSegModule.scene.nodes import SceneError
from TrustSegModule.scene.views import segment_middle, world_position

if TYPE_CHECKING:
    from TrustSegModule.app.parameters import TrustSegParameterNode
    from TrustSegModule.results.nodes import ResultNodes


SEGMENT_EDITOR = "SegmentEditor"

STRUCTURES, WRONG, PEAK, POSITION, DECISION = range(5)
QUIET_MS = 300
"""A brush stroke changes the mask many times: it is checked once it has not changed for so long."""
EVENTS = ("SourceRepresentationModified", "RepresentationModified", "SegmentModified")


class ReviewPanel:
    """Drives the widgets of the section "Review".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    scene : vtkMRMLScene
        Whose views are moved.
    on_change : callable
        Called when a decision or a mask has changed, and when a place is chosen.
    on_reveal : callable
        Called when the user asks for the uncertainty.
    """

    def __init__(
        self,
        ui,
        scene: slicer.vtkMRMLScene,
        on_change: Callable[[], None],
        on_reveal: Callable[[], None],
    ) -> None:
        self._ui, self._scene = ui, scene
        self._on_change, self._on_reveal = on_change, on_reveal
        self._results: ResultNodes | None = None
        self._report: dict[str, Any] = {}
        self._review: Review | None = None
        self._item: Item | None = None
        self._comment_before = ""
        self._regions = RegionTable(ui.regionTable, self._go_to)
        self._watch = EditWatch(self.look_for_edits)
        for signal, action in (
            (ui.nextButton.clicked, self.next),
            (ui.previousButton.clicked, self.previous),
            (ui.acceptButton.clicked, lambda: self._decide(ACCEPTED)),
            (ui.flagButton.clicked, lambda: self._decide(FLAGGED)),
            (ui.editButton.clicked, self._edit),
            (ui.revealButton.clicked, self._reveal),
            (ui.exportButton.clicked, self._export),
            (ui.commentEdit.textEdited, self._keep_comment),
            (ui.commentEdit.editingFinished, self._finish_comment),
        ):
            # The arguments of the signals, such as the state of a button, are not used.
            signal.connect(lambda *_arguments, action=action: action())
        self.show(None, None)

    @property
    def review(self) -> Review | None:
        """The review of the result that is shown."""
        return self._review

    @property
    def concealed(self) -> bool:
        """Whether the uncertainty is hidden for a first look at the image."""
        return self._review is not None and not self._review.revealed

    def show(self, results: ResultNodes | None, parameters: TrustSegParameterNode | None) -> None:
        """Show the review of a result, or None, and log that it is shown."""
        self._results, self._item = results, None
        node = None if results is None else results.segmentation
        self._report = {} if node is None else report_of(node)
        self._review = None if node is None else Review(node)
        self._watch.follow(node)
        if self._review is not None:
            self._review.log("show")
            follow_edits(self._review)
            self.follow_settings(parameters)
        self.refresh()

    def follow_settings(self, parameters: TrustSegParameterNode) -> None:
        """Show the uncertainty at once, unless the user wants a first look without it."""
        if self.concealed and not parameters.revealLater:
            self._review.reveal()
            self.refresh()

    def refresh(self) -> None:
        """Bring all widgets up to date."""
        ui, concealed = self._ui, self.concealed
        ui.reviewSection.setVisible(self._review is not None)
        ui.revealBox.setVisible(concealed)
        regions = [] if concealed else self._places
        ui.regionBox.setVisible(not concealed and "regions" in self._report)
        ui.regionTable.setVisible(bool(regions))
        ui.stepBox.setVisible(bool(regions))
        self._regions.show(regions, self._review, is_map_calibrated(self._report.get("calibration")))
        self._show_progress(regions)
        self._show_item()

    def next(self) -> None:
        """Go to the next region: the key N."""
        self._step(1)

    def previous(self) -> None:
        """Go to the region before: the key P."""
        self._step(-1)

    def choose_structure(self, label: int) -> None:
        """Choose a structure that was selected in another section."""
        self._choose(Item(STRUCTURE, label))
        self._regions.select(None)

    def go_to_structure(self, label: int) -> None:
        """Center the views on a structure; an empty one moves no view."""
        item = Item(STRUCTURE, label)
        place = segment_middle(self._results.segmentation, segment_of(self._report, item))
        if place is not None:
            views.go_to(self._scene, place)
            self._review.log("jump", item)

    def look_for_edits(self) -> None:
        """Check for edits made in other modules."""
        if self._review is not None and follow_edits(self._review):
            self._notify()

    def reenter(self) -> None:
        """The panel is opened again: finish an edit in the Segment Editor."""
        leave_editor(self._scene)
        self.look_for_edits()
        if self._review is not None:
            self._review.stop_editing()

    @property
    def chosen(self) -> Item | None:
        """The item that the buttons act on."""
        return self._item

    @property
    def _places(self) -> list[dict[str, Any]]:
        return report_regions(self._report)

    @property
    def _items(self) -> list[Item]:
        return region_items(self._report)

    def _notify(self) -> None:
        self.refresh()
        self._on_change()

    def _show_progress(self, regions: list[dict[str, Any]]) -> None:
        if not regions:
            self._ui.progressLabel.setText(_("No region to review."))
            return
        text = _("{done} of {total} reviewed")
        self._ui.progressLabel.setText(
            text.format(done=self._review.reviewed(self._items), total=len(regions))
        )

    def _show_item(self) -> None:
        ui, item = self._ui, self._item
        ui.itemBox.setVisible(item is not None)
        ui.hintLabel.setVisible(item is None)
        if item is None:
            return
        decision = self._review.decision(item)
        ui.itemLabel.setText(item_title(self._report, item))
        ui.acceptButton.setChecked(decision == ACCEPTED)
        ui.flagButton.setChecked(decision == FLAGGED)
        if ui.commentEdit.text != self._review.comment(item):
            ui.commentEdit.setText(self._review.comment(item))

    def _choose(self, item: Item) -> None:
        self._finish_comment()
        self._item, self._comment_before = item, self._review.comment(item)
        self._show_item()

    def _step(self, by: int) -> None:
        if self.concealed or not self._places:
            return
        items = self._items
        wanted = items.index(self._item) + by if self._item in items else 0
        self._go_to(min(max(wanted, 0), len(items) - 1))

    def _go_to(self, index: int) -> None:
        region, item = self._places[index], self._items[index]
        self._choose(item)
        self._regions.select(index)
        place = views.world_position(self._results.segmentation, region["position_ras_mm"])
        views.go_to(self._scene, place)
        self._review.log("jump", item)
        self._on_change()

    def _decide(self, decision: str) -> None:
        taken_back = self._review.decision(self._item) == decision
        self._review.decide(self._item, None if taken_back else decision)
        self._notify()

    def _keep_comment(self) -> None:
        self._review.set_comment(self._item, self._ui.commentEdit.text)

    def _finish_comment(self) -> None:
        """Log a comment once, and not at each letter."""
        if self._item is None or self._ui.commentEdit.text == self._comment_before:
            return
        self._comment_before = self._ui.commentEdit.text
        self._review.log("comment", self._item, self._comment_before)
        self._notify()

    def _edit(self) -> None:
        self._review.start_editing(self._item)
        # A zone would reveal where the model is uncertain.
        zone = None if self.concealed else next(iter(self._results.maps.values()), None)
        node, segment = self._results.segmentation, segment_of(self._report, self._item)
        edit_uncertain(self._scene, node, segment, image_of(node), zone)
        host.open_module(SEGMENT_EDITOR)

    def _reveal(self) -> None:
        self._review.reveal()
        self._on_reveal()
        self._notify()

    def _export(self) -> None:
        self._finish_comment()
        folder = host.choose_folder(_("Export the review"))
        if not folder:
            return
        try:
            written = write_review(self._scene, self._results.segmentation, Path(folder))
        except SceneError as error:
            slicer.util.errorDisplay(str(error), windowTitle=_("TrustSeg"))
            return
        names = ", ".join(path.name for path in written)
        self._ui.exportLabel.setText(_("Written: {names}").format(names=names))


class RegionTable:
    """Drives the table of regions.

    Parameters
    ----------
    widget : QTableWidget
    on_region : callable
        Called with the index of the region that the user has chosen, also when it is chosen again.
    """

    def __init__(self, widget, on_region: Callable[[int], None]) -> None:
        self._table, self._on_region = widget, on_region
        table.set_columns(widget, _titles(calibrated=True))
        widget.itemSelectionChanged.connect(self._on_selection)
        widget.itemDoubleClicked.connect(lambda *_arguments: self._on_selection())

    def show(self, regions: Sequence[dict[str, Any]], review: Review | None, calibrated: bool) -> None:
        """Fill the table; the selection is kept.

        Without a calibrated map the regions have their rank, but nothing about them is a probability.
        """
        table.set_titles(self._table, _titles(calibrated))
        self._table.setColumnHidden(WRONG, not calibrated)
        chosen = table.selected_row(self._table)
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(len(regions))
        for line, region in enumerate(regions):
            self._show_row(line, region, review, calibrated)
        self._table.blockSignals(blocked)
        table.select_quietly(self._table, chosen if chosen is not None and chosen < len(regions) else None)
        table.fit_height(self._table, table.MAX_ROWS)

    def select(self, index: int | None) -> None:
        """Select a region, or none, without a signal."""
        table.select_quietly(self._table, index)
        if index is not None:
            self._table.scrollToItem(self._table.item(index, STRUCTURES))

    def _show_row(self, line: int, region: dict[str, Any], review: Review, calibrated: bool) -> None:
        item = Item(REGION, region["rank"])
        names = ", ".join(region["structures"])
        place = position(world_position(review.node, region["position_ras_mm"]))
        text = _("{rank}. {names}").format(rank=region["rank"], names=names)
        table.set_cell(self._table, line, STRUCTURES, text, text)
        table.set_cell(self._table, line, WRONG, volume(region["expected_wrong_ml"]))
        table.set_cell(self._table, line, PEAK, map_value(region["peak"], 0, calibrated))
        table.set_cell(self._table, line, POSITION, place)
        decision = decision_title(review.decision(item))
        table.set_cell(self._table, line, DECISION, decision, review.comment(item))

    def _on_selection(self) -> None:
        row = table.selected_row(self._table)
        if row is not None:
            self._on_region(row)


def _titles(calibrated: bool) -> list[tuple[str, str]]:
    """Title and tool tip of each column, in the order of the constants."""
    peak = (
        (_("Peak\n(%)"), _("Largest probability that a voxel's label is wrong."))
        if calibrated
        else (_("Peak\n(raw)"), _("Largest raw uncertainty. Not calibrated: it is no probability."))
    )
    return [
        (_("Region"), _("Its rank, and the structures that meet there.")),
        (_("Wrong\n(ml)"), _("How much of it is expected to be labeled wrong.")),
        peak,
        (_("Position\n(mm)"), _("To the right or left, to the front or back, up or down.")),
        (_("Review"), _("What was decided about the region.")),
    ]


class EditWatch:
    """Watches one segmentation at a time.

    Parameters
    ----------
    on_change : callable
        Called after a change; the masks may still be the same.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._observers: list[int] = []
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(on_change)

    def follow(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Watch this segmentation only; None for none."""
        if node is self._node:
            return
        self._timer.stop()
        for observer in self._observers:
            self._node.RemoveObserver(observer)
        self._node, self._observers = node, []
        if node is not None:
            events = [getattr(slicer.vtkSegmentation, name) for name in EVENTS]
            self._observers = [node.AddObserver(event, self._on_event) for event in events]

    def _on_event(self, caller, event) -> None:
        self._timer.start(QUIET_MS)
