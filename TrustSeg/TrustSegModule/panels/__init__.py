"""The Qt side: each part of the panel drives its own widgets of `TrustSeg.ui`."""

from __future__ import annotations

from TrustSegModule.panels.batch_panel import BatchPanel
from TrustSegModule.panels.controls import Keys
from TrustSegModule.panels.overlay_panel import OverlayPanel
from TrustSegModule.panels.results_panel import ResultsPanel
from TrustSegModule.panels.review_panel import ReviewPanel
from TrustSegModule.panels.run_panel import RunPanel

__all__ = ["BatchPanel", "Keys", "OverlayPanel", "ResultsPanel", "ReviewPanel", "RunPanel"]
