"""Numbers of a report as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from slicer.i18n import tr as _

from TrustSegModule.review import ACCEPTED, EDITED, FLAGGED

UNKNOWN = "–"  # noqa: RUF001
RANGE = "{low}–{high}"  # noqa: RUF001
AXES = (("R", "L"), ("A", "P"), ("S", "I"))


def number(value: float | None, decimals: int) -> str:
    """Return a number, or a dash for None."""
    return UNKNOWN if value is None else f"{value:.{decimals}f}"


def volume(value_ml: float) -> str:
    """Return a volume that may be smaller than what two decimals show."""
    return number(value_ml, 2 if value_ml >= 1 else 3)


def percent(share: float | None, decimals: int) -> str:
    """Return a share of 0 to 1 in percent, without the sign."""
    return number(None if share is None else 100 * share, decimals)


def interval(bounds: Sequence[float] | None, decimals: int) -> str:
    """Return both ends of an interval, or a dash for None."""
    if bounds is None:
        return UNKNOWN
    low, high = (f"{bound:.{decimals}f}" for bound in bounds)
    return RANGE.format(low=low, high=high)


def tall_interval(bounds: Sequence[float], decimals: int) -> str:
    """Return both ends of an interval, the higher one below: for a narrow column."""
    return RANGE.format(low=f"{bounds[0]:.{decimals}f}", high=f"\n{bounds[1]:.{decimals}f}")


def position(ras_mm: Sequence[float]) -> str:
    """Return a place as Slicer's Data Probe writes it, in whole mm: "R 12, A 34, S 5"."""
    parts = (pair[value < 0] + f" {abs(value):.0f}" for pair, value in zip(AXES, ras_mm, strict=True))
    return ", ".join(parts)


def decision_title(decision: str | None) -> str:
    """Return what people read for a decision; nothing for None."""
    titles = {ACCEPTED: _("Accepted"), FLAGGED: _("Flagged"), EDITED: _("Edited"), None: ""}
    return titles[decision]
