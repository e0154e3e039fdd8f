"""The colors of an uncertainty map in pictures and pages, as `TrustSegLib.contract` defines them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.contract import COLOR_ANCHORS, COLOR_COUNT, OPACITY, MapDisplay, map_colors

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap


def color_values(values: np.ndarray, display: MapDisplay) -> np.ndarray:
    """Color the values of a map; those below `display.hidden_below` are transparent.

    Parameters
    ----------
    values : np.ndarray
        `(H, W)` or of any other shape, in the unit of the map's file.
    display : MapDisplay
        Of the map.

    Returns
    -------
    np.ndarray
        `(H, W, 4)` red, green, blue and opacity, 0 to 1.
    """
    share = (np.asarray(values, dtype=float) - display.low) / (display.high - display.low)
    index = np.clip(np.nan_to_num(share) * COLOR_COUNT, 0, COLOR_COUNT - 1).astype(int)
    opacity = np.where(values >= display.hidden_below, OPACITY, 0.0)
    return np.concatenate([_colors()[index], opacity[..., None]], axis=-1)


def css_gradient() -> str:
    """The colors as a CSS gradient from left to right."""
    colors = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in COLOR_ANCHORS)
    return f"linear-gradient(to right, {colors})"


def uncertainty_colormap() -> Colormap:
    """The colors as a color map of matplotlib."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(_colors(), name="uncertainty")


def colorbar_colors(display: MapDisplay) -> ScalarMappable:
    """The mappable of a color bar of matplotlib, in the unit of the legend."""
    # Here: `report.html` is also written where matplotlib is not installed.
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    ends = Normalize(display.low * display.factor, display.high * display.factor, clip=True)
    return ScalarMappable(ends, uncertainty_colormap())


@lru_cache(maxsize=1)
def _colors() -> np.ndarray:
    return np.array(map_colors()) / 255
