"""The section "Review": one place after the other, and what the person makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from TrustSegModule import host, report_items, uncertain_zone, viewpoint
from TrustSegModule.edits import follow_edits
from TrustSegModule.errors import SceneError
from TrustSegModule.panels.edit_watch import EditWatch
from TrustSegModule.panels.region_table import RegionTable
from TrustSegModule.result_nodes import image_of, report_of
from TrustSegModule.review import ACCEPTED, FLAGGED, STRUCTURE, Item, Review
from TrustSegModule.review_export import write_review
from TrustSegModule.slice_position import segment_middle

if TYPE_CHECKING:
    from TrustSegModule.parameters import TrustSegParameterNode
    from TrustSegModule.result_nodes import ResultNodes

SEGMENT_EDITOR = "SegmentEditor"


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
        Called when the person asks for the uncertainty.
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
            # What a signal carries, such as whether a button is down, is no matter here.
            signal.connect(lambda *_arguments, action=action: action())
        self.show(None, None)

    @property
    def review(self) -> Review | None:
        """The review of the result that is shown."""
        return self._review

    @property
    def concealed(self) -> bool:
        """Whether the person has yet to look at the image without the uncertainty."""
        return self._review is not None and not self._review.revealed

    def show(self, results: ResultNodes | None, parameters: TrustSegParameterNode | None) -> None:
        """Show the review of a result, or None, and write into its log that it is shown."""
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
        """Show the uncertainty at once, unless the person wants a first look without it."""
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
        self._regions.show(regions, self._review)
        self._show_progress(regions)
        self._show_item()

    def next(self) -> None:
        """Go to the next region: the key N."""
        self._step(1)

    def previous(self) -> None:
        """Go to the region before: the key P."""
        self._step(-1)

    def choose_structure(self, label: int) -> None:
        """A structure is chosen elsewhere."""
        self._choose(Item(STRUCTURE, label))
        self._regions.select(None)

    def go_to_structure(self, label: int) -> None:
        """Take the views to the middle of a structure; one that has no voxels moves none."""
        item = Item(STRUCTURE, label)
        place = segment_middle(self._results.segmentation, report_items.segment_of(self._report, item))
        if place is not None:
            viewpoint.go_to(self._scene, place)
            self._review.log("jump", item)

    def look_for_edits(self) -> None:
        """Find out what has been changed in other modules."""
        if self._review is not None and follow_edits(self._review):
            self._tell()

    def come_back(self) -> None:
        """The panel is opened again: what was edited meanwhile is complete."""
        uncertain_zone.leave(self._scene)
        self.look_for_edits()
        if self._review is not None:
            self._review.stop_editing()

    @property
    def chosen(self) -> Item | None:
        """What the buttons act on."""
        return self._item

    @property
    def _places(self) -> list[dict[str, Any]]:
        return report_items.regions(self._report)

    @property
    def _items(self) -> list[Item]:
        return report_items.region_items(self._report)

    def _tell(self) -> None:
        self.refresh()
        self._on_change()

    def _show_progress(self, regions: list[dict[str, Any]]) -> None:
        if not regions:
            self._ui.progressLabel.setText(_("No region to look at."))
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
        ui.itemLabel.setText(report_items.title(self._report, item))
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
        place = viewpoint.world_position(self._results.segmentation, region["position_ras_mm"])
        viewpoint.go_to(self._scene, place)
        self._review.log("jump", item)
        self._on_change()

    def _decide(self, decision: str) -> None:
        taken_back = self._review.decision(self._item) == decision
        self._review.decide(self._item, None if taken_back else decision)
        self._tell()

    def _keep_comment(self) -> None:
        self._review.set_comment(self._item, self._ui.commentEdit.text)

    def _finish_comment(self) -> None:
        """One line in the log for a comment, and not one for each letter."""
        if self._item is None or self._ui.commentEdit.text == self._comment_before:
            return
        self._comment_before = self._ui.commentEdit.text
        self._review.log("comment", self._item, self._comment_before)
        self._tell()

    def _edit(self) -> None:
        self._review.start_editing(self._item)
        # A zone would tell where the model is unsure.
        zone = None if self.concealed else next(iter(self._results.maps.values()), None)
        node, segment = self._results.segmentation, report_items.segment_of(self._report, self._item)
        uncertain_zone.edit(self._scene, node, segment, image_of(node), zone)
        host.open_module(SEGMENT_EDITOR)

    def _reveal(self) -> None:
        self._review.reveal()
        self._on_reveal()
        self._tell()

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
