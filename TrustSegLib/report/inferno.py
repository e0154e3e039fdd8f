"""The colors of the error probability where there is no matplotlib, as in Slicer."""

from __future__ import annotations

import numpy as np

_SHARES = np.linspace(0.0, 1.0, 13)
_COLORS = np.array(
    [
        (74, 12, 107),
        (100, 21, 110),
        (127, 30, 108),
        (154, 40, 101),
        (179, 50, 90),
        (203, 65, 73),
        (224, 85, 54),
        (239, 108, 35),
        (248, 137, 12),
        (252, 168, 13),
        (249, 199, 47),
        (242, 232, 101),
        (252, 255, 164),
    ],
    dtype=float,
)
"""Matplotlib's inferno from 22 % of it, as in `overlay.png`, at places close enough."""


def inferno(shares: np.ndarray) -> np.ndarray:
    """Color values from 0 to 1; what lies outside gets the color of the end.

    Parameters
    ----------
    shares : np.ndarray
        Of any shape.

    Returns
    -------
    np.ndarray
        `(..., 3)` red, green and blue from 0 to 255.
    """
    return np.stack([np.interp(shares, _SHARES, channel) for channel in _COLORS.T], axis=-1)


def css_gradient() -> str:
    """The same colors as a CSS gradient from left to right."""
    return "linear-gradient(to right, {})".format(
        ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*color) for color in _COLORS)
    )
