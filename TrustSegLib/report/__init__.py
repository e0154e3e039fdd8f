"""Reports of a result: `report.json` for programs, `overlay.png` and `report.html` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from TrustSegLib.report.html_report import CaseImages, write_html_report
from TrustSegLib.report.json_report import report_json, report_schema, write_report

if TYPE_CHECKING:
    from TrustSegLib.report.overlay import write_overlay

__all__ = ["CaseImages", "report_json", "report_schema", "write_html_report", "write_overlay", "write_report"]


def __getattr__(name: str) -> Any:
    # Only drawing needs matplotlib: it may not be installed where the other reports are written.
    if name == "write_overlay":
        from TrustSegLib.report.overlay import write_overlay

        return write_overlay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
