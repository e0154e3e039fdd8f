"""The audit log of a result: stored in its segmentation, so that it is saved with the scene."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone

import slicer

LOG_ATTRIBUTE = "TrustSeg.AuditLog"
COLUMNS = ("time", "action", "item", "details")


def record(
    segmentation_node: slicer.vtkMRMLSegmentationNode, action: str, item: str = "", details: str = ""
) -> None:
    """Add a line to the log of a result.

    Parameters
    ----------
    segmentation_node : vtkMRMLSegmentationNode
    action : str
        Such as "accept"; not translated, as programs read it.
    item : str
        Such as "region 3"; empty for the whole result.
    details : str
        Such as a comment.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    line = dict(zip(COLUMNS, (now, action, item, details), strict=True))
    segmentation_node.SetAttribute(LOG_ATTRIBUTE, json.dumps([*entries(segmentation_node), line]))


def entries(segmentation_node: slicer.vtkMRMLSegmentationNode) -> list[dict[str, str]]:
    """Return the lines of the log, the oldest first: `time` (UTC, ISO 8601), `action`, `item`, `details`."""
    return json.loads(segmentation_node.GetAttribute(LOG_ATTRIBUTE) or "[]")


def log_csv(segmentation_node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return the log as comma-separated values, with a line of titles."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(entries(segmentation_node))
    return text.getvalue()
