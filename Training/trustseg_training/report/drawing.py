"""The look of all plots in the report: sizes for a page, a color and marker for each model, SVG for HTML.

Axes and text are drawn in ``currentColor``, so that a plot is readable on light and dark backgrounds.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from TrustSegLib.report.page import families, printable, shorten

#: Inches between the margins of A4 and Letter.
PAGE_WIDTH = 7.2

#: Characters above the narrowest panel.
_TITLE_WIDTH = 25

_INK = "#010203"  # a color that is not used otherwise

#: Okabe and Ito's palette, distinguishable with every common color blindness; without black, the ink, and
#: yellow, which is invisible on white. "How to make figures and presentations that are friendly to color
#: blind people", 2008.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP"
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Style:
    """The look of a model in all plots."""

    color: str
    marker: str
    dashes: str


def styles_of(models: Sequence[str]) -> dict[str, Style]:
    """Color, marker and dashes of each model; dashes distinguish models that share a color."""
    rounds = [divmod(index, len(_COLORS)) for index in range(len(models))]
    return {
        model: Style(_COLORS[place], _MARKERS[(place + turn) % len(_MARKERS)], _DASHES[turn % len(_DASHES)])
        for model, (turn, place) in zip(models, rounds, strict=True)
    }


@dataclass(frozen=True)
class Picture:
    """A picture in the report.

    Attributes
    ----------
    html : str
        ``<svg>`` or ``<img>``, safe for insertion into HTML.
    caption : str
        Plain text.
    """

    html: str
    caption: str


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """A figure with a transparent background; sizes in inches."""
    return Figure(figsize=(width, height), facecolor="none", layout="constrained")


def panels(figure: Figure, rows: int, columns: int, **options) -> list[list[Axes]]:
    """Axes in rows, without a frame at the top and the right."""
    grid = figure.subplots(rows, columns, squeeze=False, **options).tolist()
    for axes in (each for row in grid for each in row):
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7.5, length=2.5)
        axes.grid(visible=True, color="#888888", alpha=0.25, linewidth=0.5)
        axes.set_axisbelow(True)
    return grid


def title(axes: Axes, text: str) -> None:
    """Set the title of a panel."""
    axes.set_title(
        fill(printable(shorten(text, 60)), _TITLE_WIDTH), fontsize=8.5, loc="left", parse_math=False
    )


def axis_label(axes: Axes, x: str = "", y: str = "") -> None:
    """Label the axes, with units."""
    for put, text in ((axes.set_xlabel, x), (axes.set_ylabel, y)):
        if text:
            put(text, fontsize=8, parse_math=False)


def legend(figure: Figure, styles: dict[str, Style], more: Sequence[Line2D] = ()) -> None:
    """Draw one legend for all panels, below them."""
    handles = [
        Line2D([], [], color=style.color, marker=style.marker, linestyle=style.dashes, label=_short(model))
        for model, style in styles.items()
    ]
    figure.legend(
        handles=[*handles, *more],
        loc="outside lower center",
        ncols=min(len(styles) + len(more), 4),
        frameon=False,
        fontsize=8,
    )


def svg(figure: Figure, number: int, label: str) -> str:
    """A figure as an element of HTML.

    Parameters
    ----------
    figure : Figure
        From `new_figure`.
    number : int
        Of the picture: ids of two pictures in one document must differ.
    label : str
        For screen readers.
    """
    for text in figure.findobj(Text):
        text.set(parse_math=False, family=families())
    _color_ink(figure)
    stream = io.StringIO()
    # With a fixed salt the same values give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "trustseg", "svg.fonttype": "path"}):
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    return _for_html(stream.getvalue(), number, label)


def _for_html(text: str, number: int, label: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    text = _smaller(text)
    text = re.sub(r'\bid="', f'id="p{number}-', text)
    text = text.replace('href="#', f'href="#p{number}-').replace("url(#", f"url(#p{number}-")
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = text.replace(_INK, "currentColor")
    return text.replace("<svg ", f'<svg role="img" aria-label="{_escaped(label)}" ', 1)


def _smaller(text: str) -> str:
    """Round coordinates to a hundredth of a point, which is invisible, but not scales; drop indentation.

    Also drop ids of the smallest groups, to which nothing refers, and spaces in styles.
    """
    text = re.sub(r"scale\([^)]*\)|\d+\.\d{3,}", _to_hundredths, text)
    text = re.sub(r'<g id="[^"]*(?:line2d|tick|patch|text)_\d+"', "<g", text)
    text = re.sub(r'style="[^"]*"', lambda found: re.sub(r"([:;]) ", r"\1", found.group()), text)
    return re.sub(r"\n\s*", "\n", text)


def _to_hundredths(found: re.Match[str]) -> str:
    number = found.group()
    return number if number.startswith("scale") else f"{float(number):.2f}"


def _color_ink(figure: Figure) -> None:
    for text in figure.findobj(Text):
        if text.get_color() == "black":
            text.set_color(_INK)
    for axes in figure.axes:
        axes.tick_params(color=_INK, labelcolor=_INK)
        axes.spines[:].set_color(_INK)


def _short(model: str) -> str:
    return printable(shorten(model, 40))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def reference(axes: Axes, *, y: float | None = None, x: float | None = None) -> None:
    """Mark a value with a thin dashed line."""
    style = {"color": _INK, "linewidth": 0.7, "linestyle": (0, (4, 3)), "alpha": 0.6, "zorder": 1}
    if y is not None:
        axes.axhline(y, **style)
    if x is not None:
        axes.axvline(x, **style)


def diagonal(axes: Axes) -> None:
    """Draw the line of perfect calibration."""
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.7, linestyle=(0, (4, 3)), alpha=0.6, zorder=1)


def gray_line(label: str) -> Line2D:
    """Handle of `reference` and `diagonal` in a legend."""
    return Line2D([], [], color=_INK, linewidth=0.7, linestyle=(0, (4, 3)), alpha=0.6, label=label)
