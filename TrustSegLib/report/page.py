"""The page of `overlay.png`: panels, letters, scale bars, legend, color bar, and text in any script."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from TrustSegLib.report.planes import Plane

BACKGROUND = "#0b0b0d"
FOREGROUND = "#e8e8ea"
DIM = "#a4a4aa"
CAUTION = "#ffb454"
DOTS_PER_INCH = 130

# Lengths in inches.
PANELS_WIDTH = 10.5
PANEL_HEIGHT = 4.0
CELL = 2.2
"""Smallest width of a column; a panel that is smaller both ways is enlarged to it."""
MARGIN = 0.4
GAP = 0.55
HEADER = 0.85
NOTE_LINE = 0.2
NOTE_LETTER = 0.078
"""Mean width of a letter of the note."""
PANEL_TOP = 0.55
PANEL_BOTTOM = 0.5
LEGEND_WIDTH = 2.7
LEGEND_ENTRY = 0.42
FOOTER = 0.35
BASE_FAMILY = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek and Cyrillic."""
OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
)
"""Fonts of the common operating systems; the installed ones are tried after the base family."""


class Page:
    """A dark figure with two rows of panels and a column for the legends.

    Parameters
    ----------
    sizes_mm : sequence of (float, float)
        Height and width in mm of what each column shows.
    note : str
        What a reader must know before the panels; on as many lines as it needs, below the header.
    """

    def __init__(self, sizes_mm: Sequence[tuple[float, float]], note: str = "") -> None:
        tallest = max(height for height, _ in sizes_mm)
        common = min(PANELS_WIDTH / sum(width for _, width in sizes_mm), PANEL_HEIGHT / tallest)
        self._inch_per_mm = [max(common, CELL / max(size)) for size in sizes_mm]
        self._sizes = [
            (height * scale, width * scale)
            for (height, width), scale in zip(sizes_mm, self._inch_per_mm, strict=True)
        ]
        self._cells = [max(CELL, width) for _, width in self._sizes]
        self._row_height = PANEL_TOP + max(CELL, *(height for height, _ in self._sizes)) + PANEL_BOTTOM
        self._legend_left = MARGIN + sum(self._cells) + GAP * len(self._cells)
        self.width = self._legend_left + LEGEND_WIDTH
        self._note = textwrap.wrap(note, int((self.width - 2 * MARGIN) / NOTE_LETTER))
        self._header_height = HEADER + NOTE_LINE * len(self._note)
        self.height = self._header_height + 2 * self._row_height + FOOTER
        self.figure = Figure(figsize=(self.width, self.height), dpi=DOTS_PER_INCH, facecolor=BACKGROUND)

    def header(self, title: str, subtitle: str) -> None:
        """Write the title, the line below it and the note."""
        self._text(MARGIN, 0.38, title, size=14, weight="bold")
        self._text(MARGIN, 0.66, subtitle, size=10, color=DIM)
        for line, text in enumerate(self._note, start=1):
            self._text(MARGIN, 0.68 + NOTE_LINE * line, text, size=10, color=CAUTION)

    def footer(self, text: str) -> None:
        """Write the last line."""
        self._text(MARGIN, self.height - 0.18, text, size=9, color=DIM)

    def panel(self, row: int, column: int) -> Axes:
        """Add the axes of a panel, without ticks or frame."""
        left, top, height, width = self._panel_box(row, column)
        return self._axes(left, top, height, width)

    def label_panel(self, row: int, column: int, plane: Plane, title: str) -> None:
        """Write the plane's name, the letters at the borders and the scale bar around a panel."""
        left, top, height, width = self._panel_box(row, column)
        middle = left + width / 2
        self._text(self._cell_left(column), top - 0.32, title, size=10)
        self._text(middle, top - 0.06, plane.top, ha="center", weight="bold")
        self._text(middle, top + height + 0.17, plane.bottom, ha="center", weight="bold")
        self._text(left - 0.06, top + height / 2, plane.left, ha="right", va="center", weight="bold")
        self._text(left + width + 0.06, top + height / 2, plane.right, va="center", weight="bold")
        self._scale_bar(column, top + height + 0.3)

    @property
    def legend_entries(self) -> int:
        """Number of entries of two lines that fit into the legend."""
        return int((self._row_height - PANEL_TOP) / LEGEND_ENTRY)

    def legend(self) -> Axes:
        """Add empty axes for the legend, in the column beside the upper row of panels."""
        return self._axes(self._legend_left, self._row_top(0), self._row_height - PANEL_TOP, LEGEND_WIDTH)

    def colorbar(self, colors: ScalarMappable, heading: str, *, open_end: bool) -> Colorbar:
        """Add the color bar beside the lower row; with an open end, values above it take the last color."""
        axes = self._axes(self._legend_left + 0.05, self._row_top(1) + 0.1, self._colorbar_height(), 0.22)
        axes.set_axis_on()
        bar = self.figure.colorbar(colors, cax=axes, extend="max" if open_end else "neither", extendfrac=0.04)
        bar.ax.tick_params(colors=FOREGROUND, labelsize=10)
        bar.outline.set_edgecolor(DIM)
        self._text(self._legend_left, self._row_top(1) - 0.32, heading, size=10)
        return bar

    def colorbar_note(self, text: str) -> None:
        """Write a note below the color bar."""
        below = self._row_top(1) + 0.1 + self._colorbar_height()
        self._text(self._legend_left, below + 0.2, text, va="top", size=9, color=DIM)

    def _colorbar_height(self) -> float:
        return self._row_height - PANEL_TOP - PANEL_BOTTOM - 0.3

    def _scale_bar(self, column: int, top: float) -> None:
        left = self._cell_left(column)
        length_mm = round_length(0.4 * CELL / self._inch_per_mm[column])
        right = left + length_mm * self._inch_per_mm[column]
        across = [left / self.width, right / self.width]
        down = [1 - top / self.height] * 2
        self.figure.add_artist(Line2D(across, down, color=FOREGROUND, linewidth=2, solid_capstyle="butt"))
        self._text(right + 0.08, top, f"{length_mm:g} mm", va="center", size=9)

    def _panel_box(self, row: int, column: int) -> tuple[float, float, float, float]:
        height, width = self._sizes[column]
        left = self._cell_left(column) + (self._cells[column] - width) / 2
        return left, self._row_top(row), height, width

    def _cell_left(self, column: int) -> float:
        return MARGIN + sum(self._cells[:column]) + GAP * column

    def _row_top(self, row: int) -> float:
        return self._header_height + row * self._row_height + PANEL_TOP

    def _axes(self, left: float, top: float, height: float, width: float) -> Axes:
        bottom = self.height - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box, facecolor=BACKGROUND)
        axes.set_axis_off()
        return axes

    def _text(self, left: float, top: float, text: str, **style: object) -> None:
        style = {"color": FOREGROUND, "size": 10, "family": families(), "parse_math": False, **style}
        self.figure.text(left / self.width, 1 - top / self.height, text, **style)


def round_length(limit: float) -> float:
    """Round a length down to 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    limit : float
        Above 0, in mm.

    Returns
    -------
    float
        The longest round length not above `limit`.
    """
    power = 10.0 ** math.floor(math.log10(limit))
    return next(mantissa * power for mantissa in (5, 2, 1) if mantissa * power <= limit)


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """List the installed font families to draw text with, in order of preference."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return BASE_FAMILY, *(name for name in OTHER_SCRIPTS if name in installed)


def printable(text: str) -> str:
    """Replace what no installed font can draw by "?", instead of an empty box and a warning."""
    return "".join(character if ord(character) in _drawable() else "?" for character in text)


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text of more than `length` characters: file names differ at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    characters: set[int] = set()
    for family in families():
        characters.update(font_manager.get_font(font_manager.findfont(family)).get_charmap())
    return frozenset(code for code in characters if code >= 32)
