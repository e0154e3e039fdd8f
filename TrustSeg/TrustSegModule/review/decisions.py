"""Decisions of the user about the regions and structures of a result.

Stored in its segmentation, so that they are saved with the scene.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import slicer
from slicer.i18n import tr as _

from TrustSegModule.review import audit_log
from TrustSegModule.scene.segmentation import MaskFingerprint, mask_fingerprints, segment_id

REVIEW_ATTRIBUTE = "TrustSeg.Review"
REGION, STRUCTURE = "region", "structure"
ACCEPTED, FLAGGED, EDITED = "accepted", "flagged", "edited"
ACTIONS = {ACCEPTED: "accept", FLAGGED: "flag", None: "withdraw"}


class Item(NamedTuple):
    """What a decision is about.

    Attributes
    ----------
    kind : str
        `REGION` or `STRUCTURE`.
    number : int
        Rank of the region, or label of the structure.
    """

    kind: str
    number: int

    @property
    def key(self) -> str:
        """Its name in the scene and in the log, such as "region 3"."""
        return f"{self.kind} {self.number}"


class Review:
    """The review of one result.

    All state is in the node: two reviews of the same node are the same.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
        Of `put_result`.
    """

    def __init__(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        self.node = node
        if node.GetAttribute(REVIEW_ATTRIBUTE) is None:
            prints = mask_fingerprints(node)
            self._write(
                {"revealed": False, "items": {}, "editing": None, "automatic": prints, "current": prints}
            )

    @property
    def revealed(self) -> bool:
        """Whether the user has seen the uncertainty."""
        return self._read()["revealed"]

    def reveal(self) -> None:
        """Record that the uncertainty is shown from now on."""
        self._change(revealed=True)
        self.log("reveal")

    def decision(self, item: Item) -> str | None:
        """Return `ACCEPTED`, `FLAGGED`, `EDITED` or None."""
        return self._entry(item).get("decision")

    def decide(self, item: Item, decision: str | None) -> None:
        """Accept or flag an item; None withdraws the decision."""
        self._change_entry(item, decision=decision)
        self.log(ACTIONS[decision], item)

    def comment(self, item: Item) -> str:
        """Return the user's comment on an item."""
        return self._entry(item).get("comment", "")

    def set_comment(self, item: Item, text: str) -> None:
        """Store a comment that is being typed; `log` it once it is complete."""
        self._change_entry(item, comment=text)

    def reviewed(self, items: Iterable[Item]) -> int:
        """Count the items with a decision."""
        return sum(self.decision(item) is not None for item in items)

    def start_editing(self, item: Item) -> None:
        """Record which item the next changes of the mask belong to."""
        self._change(editing=list(item))
        self.log("edit here", item)

    def stop_editing(self) -> None:
        """Record that changes of the mask belong to no item any more."""
        if self.editing is not None:
            self._change(editing=None)

    @property
    def editing(self) -> Item | None:
        """The item of `start_editing`."""
        stored = self._read()["editing"]
        return None if stored is None else Item(*stored)

    def mark_edited(self, item: Item, edited: bool) -> None:
        """Record that the mask has changed, which replaces an earlier decision."""
        self._change_entry(item, decision=EDITED if edited else None)

    @property
    def automatic(self) -> dict[str, MaskFingerprint]:
        """Fingerprints of the model's masks, by segment ID."""
        return _fingerprints(self._read()["automatic"])

    @property
    def current(self) -> dict[str, MaskFingerprint]:
        """Fingerprints of the masks at the last `follow_edits`, by segment ID."""
        return _fingerprints(self._read()["current"])

    def set_current(self, prints: dict[str, MaskFingerprint]) -> None:
        """Store the fingerprints of the current masks."""
        self._change(current=prints)

    def log(self, action: str, item: Item | None = None, details: str = "") -> None:
        """Add a line to the audit log."""
        audit_log.record(self.node, action, "" if item is None else item.key, details)

    def export(self) -> dict[str, Any]:
        """Return decisions and comments by the key of their item."""
        state = self._read()
        return {"revealed": state["revealed"], "items": state["items"]}

    def _read(self) -> dict[str, Any]:
        return json.loads(self.node.GetAttribute(REVIEW_ATTRIBUTE))

    def _write(self, state: dict[str, Any]) -> None:
        self.node.SetAttribute(REVIEW_ATTRIBUTE, json.dumps(state))

    def _change(self, **values: Any) -> None:
        self._write({**self._read(), **values})

    def _entry(self, item: Item) -> dict[str, Any]:
        return self._read()["items"].get(item.key, {})

    def _change_entry(self, item: Item, **values: Any) -> None:
        items = self._read()["items"]
        items[item.key] = {**items.get(item.key, {}), **values}
        self._change(items=items)


def begin(node: slicer.vtkMRMLSegmentationNode) -> Review:
    """Start the review of a new mask: earlier decisions are discarded, the log continues."""
    node.RemoveAttribute(REVIEW_ATTRIBUTE)
    return Review(node)


def _fingerprints(stored: dict[str, list]) -> dict[str, MaskFingerprint]:
    return {segment: MaskFingerprint(*numbers) for segment, numbers in stored.items()}


def report_regions(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions of a report, by rank; none where the report has no list of them."""
    return report.get("regions", [])


def region_items(report: dict[str, Any]) -> list[Item]:
    """Return the items of `report_regions`."""
    return [Item(REGION, region["rank"]) for region in report_regions(report)]


def item_title(report: dict[str, Any], item: Item) -> str:
    """Return the title of an item."""
    if item.kind == STRUCTURE:
        return next(row["name"] for row in report["structures"] if row["label"] == item.number)
    names = ", ".join(_region(report, item)["structures"])
    return _("Region {rank}: {names}").format(rank=item.number, names=names)


def segment_of(report: dict[str, Any], item: Item) -> str:
    """Return the ID of an item's segment: that of the structure, or of the first structure of the region."""
    if item.kind == STRUCTURE:
        return segment_id(item.number)
    rows, names = report["structures"], _region(report, item)["structures"]
    return segment_id(next((row for row in rows if row["name"] in names), rows[0])["label"])


def _region(report: dict[str, Any], item: Item) -> dict[str, Any]:
    return next(region for region in report_regions(report) if region["rank"] == item.number)
