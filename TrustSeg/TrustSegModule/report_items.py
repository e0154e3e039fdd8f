"""Regions and structures of a report as items of its review."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.review import REGION, STRUCTURE, Item
from TrustSegModule.segmentation import segment_id


def regions(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions of a report, by rank; none where the report has no list of them."""
    return report.get("regions", [])


def region_items(report: dict[str, Any]) -> list[Item]:
    """Return the items of `regions`."""
    return [Item(REGION, region["rank"]) for region in regions(report)]


def title(report: dict[str, Any], item: Item) -> str:
    """Return what people call an item."""
    if item.kind == STRUCTURE:
        return next(row["name"] for row in report["structures"] if row["label"] == item.number)
    names = ", ".join(_region(report, item)["structures"])
    return _("Region {rank}: {names}").format(rank=item.number, names=names)


def segment_of(report: dict[str, Any], item: Item) -> str:
    """Return the ID of an item's segment: that of the structure, or of the first structure of the region."""
    if item.kind == STRUCTURE:
        return segment_id({"label": item.number})
    rows, names = report["structures"], _region(report, item)["structures"]
    return next((segment_id(row) for row in rows if row["name"] in names), segment_id(rows[0]))


def _region(report: dict[str, Any], item: Item) -> dict[str, Any]:
    return next(region for region in regions(report) if region["rank"] == item.number)
