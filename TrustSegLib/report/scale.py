"""The colors of an uncertainty map: a fixed scale for each map, so that pictures compare across images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, Normalize

from TrustSegLib.report.files import DEFAULT_MAP
from TrustSegLib.uncertainty import map_range, map_title, map_unit

HIDDEN_SHARE = 0.04
"""Values below this share of the scale are not drawn (2 % of error probability): the anatomy stays clear."""
OPACITY = 0.85


@dataclass(frozen=True)
class Scale:
    """How the values of an uncertainty map become colors: fixed for a map, never fitted to the image.

    Attributes
    ----------
    title, unit : str
        What the values are.
    factor : float
        From the values in the file to the numbers in the legend.
    low, high : float
        Ends of the colors, in the unit of the legend.
    open_end : bool
        Whether values above `high` can occur.
    """

    title: str
    unit: str
    factor: float
    low: float
    high: float
    open_end: bool

    @classmethod
    def of_map(cls, name: str, classes: int) -> Scale:
        """Take the display scale of a map; the error probability is shown in percent."""
        low, high = map_range(name, classes)
        factor, unit = (100.0, "%") if name == DEFAULT_MAP else (1.0, map_unit(name))
        # With three classes or more, the most probable label can be wrong more often than right.
        open_end = name == DEFAULT_MAP and 1 - 1 / classes > high
        return cls(map_title(name), unit, factor, low * factor, high * factor, open_end)

    @property
    def hidden_below(self) -> float:
        """Smallest value that is drawn, in the unit of the legend."""
        return self.low + HIDDEN_SHARE * (self.high - self.low)

    @property
    def norm(self) -> Normalize:
        """From values in the unit of the legend to 0..1."""
        return Normalize(self.low, self.high, clip=True)

    def colors(self, values: np.ndarray) -> np.ndarray:
        """Color a slice of the map: (rows, columns) in the file's unit to RGBA, hidden values transparent."""
        shown = values * self.factor
        colors = uncertainty_colormap()(self.norm(shown))
        colors[..., 3] = np.where(shown >= self.hidden_below, OPACITY, 0.0)
        return colors


def uncertainty_colormap() -> Colormap:
    """Perceptually uniform, without the black end that would be lost on a dark image."""
    return ListedColormap(colormaps["inferno"](np.linspace(0.22, 1.0, 256)), name="uncertainty")
