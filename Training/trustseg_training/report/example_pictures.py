"""Examples as pictures: image and truth, then what every model made of it and how sure it was."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from TrustSegLib.contract import DEFAULT_MAP, MapDisplay, map_display
from TrustSegLib.report.overlay import MASK_EDGE
from TrustSegLib.report.page import BACKGROUND, DIM, FOREGROUND, families, printable, shorten
from TrustSegLib.report.planes import OUTLINE_INSET, outline
from TrustSegLib.report.scale import color_values, colorbar_colors

from .drawing import PAGE_WIDTH, Picture
from .examples import Example, Shown
from .numbers import listed, share

#: Outlines of structures: bright on gray, none of them a color of the uncertainty.
STRUCTURE_COLORS = ("#35e0ff", "#ff9ecb", "#7bea8f", "#b9a6ff", "#ffffff")

_MODELS_IN_A_ROW = 5
_DOTS_PER_INCH = 110


def example_picture(example: Example, condition: str, why: str) -> Picture:
    """Draw one example.

    Parameters
    ----------
    example : Example
        What `examples_of` found.
    condition : str
        What the condition is called.
    why : str
        Why this case is shown.
    """
    figure = _figure(example)
    for text in figure.findobj(Text):
        text.set(parse_math=False, family=families())
    models = listed([f"{answer.model} {share(answer.dice)}" for answer in example.answers])
    caption = f"{example.case} ({why}), {condition}, {example.plane} slice. Dice of the volume: {models}."
    data = base64.b64encode(_png(figure)).decode()
    return Picture(f'<img alt="" src="data:image/png;base64,{data}">', caption)


def _png(figure: Figure) -> bytes:
    """In as many colors as a byte tells, by which the file is half as large."""
    canvas, stream = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _figure(example: Example) -> Figure:
    answers = example.answers
    columns = min(len(answers), _MODELS_IN_A_ROW)
    blocks = -(-len(answers) // columns)
    height_mm, width_mm = answers[0].size_mm
    room = (PAGE_WIDTH - 0.8) / (columns + 1)
    panel = min(room * height_mm / width_mm, 2.2)
    figure = Figure(
        figsize=(PAGE_WIDTH, 0.45 + blocks * 2 * (panel + 0.22)),
        dpi=_DOTS_PER_INCH,
        facecolor=BACKGROUND,
        layout="compressed",
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    grid = figure.subplots(2 * blocks, columns + 1, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for block in range(blocks):
        _draw_truth(grid[2 * block : 2 * block + 2, 0], answers[0])
        for column, answer in enumerate(answers[block * columns : (block + 1) * columns], start=1):
            _draw_answer(grid[2 * block : 2 * block + 2, column], answer)
    _legends(figure, grid, example)
    return figure


def _draw_truth(places, answer: Shown) -> None:
    above, below = places
    _show(above, answer)
    _outlines(above, answer.truth)
    _head(above, "truth")
    _show(below, answer)
    _head(below, "image")


def _draw_answer(places, answer: Shown) -> None:
    above, below = places
    _show(above, answer)
    _outlines(above, answer.prediction)
    _head(above, answer.model)
    _note(above, share(answer.dice))
    _show(below, answer)
    colors = color_values(answer.uncertainty, display())
    below.imshow(colors, interpolation="nearest", aspect=below.get_aspect())
    below.add_collection(LineCollection(outline(answer.prediction > 0), colors=MASK_EDGE, linewidths=0.6))
    _head(below, "uncertainty")


def display() -> MapDisplay:
    """That of every picture of error probability: 0 to 50 %, never fitted to an image."""
    return map_display(DEFAULT_MAP, classes=3)


def _show(axes: Axes, answer: Shown) -> None:
    low, high = answer.window
    rows, columns = answer.image.shape
    aspect = (answer.size_mm[0] / rows) / (answer.size_mm[1] / columns)
    axes.imshow(answer.image, cmap="gray", vmin=low, vmax=high, interpolation="nearest", aspect=aspect)


def _outlines(axes: Axes, labels) -> None:
    for label in range(1, int(labels.max(initial=0)) + 1):
        color = STRUCTURE_COLORS[(label - 1) % len(STRUCTURE_COLORS)]
        axes.add_collection(
            LineCollection(outline(labels == label, OUTLINE_INSET), colors=color, linewidths=1.1)
        )


def _head(axes: Axes, text: str) -> None:
    axes.set_title(printable(shorten(text, 17)), fontsize=7, color=FOREGROUND, pad=3)


def _note(axes: Axes, text: str) -> None:
    box = {"facecolor": BACKGROUND, "alpha": 0.6, "edgecolor": "none", "pad": 1}
    place = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
    axes.text(0.98, 0.02, text, fontsize=7, color=FOREGROUND, bbox=box, **place)


def _legends(figure: Figure, grid, example: Example) -> None:
    shown = display()
    bar = figure.colorbar(
        colorbar_colors(shown),
        ax=grid[:, -1].tolist(),
        shrink=0.7,
        extend="max" if shown.open_end else "neither",
    )
    bar.set_label(f"{shown.title} ({shown.unit})", color=FOREGROUND, fontsize=7.5)
    bar.ax.tick_params(colors=FOREGROUND, labelsize=7)
    bar.ax.axhspan(shown.low * shown.factor, shown.hidden_below * shown.factor, color=BACKGROUND)
    bar.outline.set_edgecolor(DIM)
    handles = [
        Line2D(
            [], [], color=STRUCTURE_COLORS[index % len(STRUCTURE_COLORS)], label=printable(shorten(name, 30))
        )
        for index, name in enumerate(example.structures)
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=7.5, labelcolor=FOREGROUND
    )
