"""From a result to what is read: `report.json` for programs, `overlay.png` and `report.html` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from TrustSegLib.report.html_report import write_html_report
from TrustSegLib.report.json_report import report_json, report_schema, write_report

if TYPE_CHECKING:
    from TrustSegLib.report.overlay import write_overlay

__all__ = ["report_json", "report_schema", "write_html_report", "write_overlay", "write_report"]


def __getattr__(name: str) -> Any:
    # Matplotlib is loaded only by who draws: a program that reads the JSON report may not have it.
    if name == "write_overlay":
        from TrustSegLib.report.overlay import write_overlay

        return write_overlay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
