"""The Qt side: each part of the panel drives its own widgets of `TrustSeg.ui`."""

from __future__ import annotations

from TrustSegModule.panels.overlay_panel import OverlayPanel
from TrustSegModule.panels.results_panel import ResultsPanel
from TrustSegModule.panels.run_panel import RunPanel

__all__ = ["OverlayPanel", "ResultsPanel", "RunPanel"]
