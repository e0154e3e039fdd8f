"""Examples: which cases and conditions are shown, their slices, and the pictures of them.

A picture shows image and truth, then every model's mask and its uncertainty.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, read_case
from trustseg_training.formatting import listed, share
from trustseg_training.metrics import dice
from trustseg_training.metrics.decomposition import error_probability
from trustseg_training.robustness.conditions import Skipped, predictions
from trustseg_training.robustness.suite import Protocol, Suite
from trustseg_training.robustness.tables import Tables
from TrustSegLib.contract import DEFAULT_MAP, MapDisplay, map_display
from TrustSegLib.imaging import Volume
from TrustSegLib.inference.prediction import LoadedModel
from TrustSegLib.report.overlay import MASK_EDGE
from TrustSegLib.report.page import BACKGROUND, DIM, FOREGROUND, families, printable, shorten
from TrustSegLib.report.planes import OUTLINE_INSET, PLANES, outline
from TrustSegLib.report.scale import color_values, colorbar_colors
from TrustSegLib.report.scene import make_scene

from .drawing import PAGE_WIDTH, Picture
from .named_conditions import GROUPS, named_conditions

MOST_CONDITIONS = 3

#: Outlines of structures: bright on gray, none of them a color of the uncertainty.
STRUCTURE_COLORS = ("#35e0ff", "#ff9ecb", "#7bea8f", "#b9a6ff", "#ffffff")

_MODELS_IN_A_ROW = 5
_DOTS_PER_INCH = 110


@dataclass(frozen=True, eq=False)
class PredictedSlice:
    """One slice of a model's prediction; all arrays are (rows, columns), in the radiological view.

    Attributes
    ----------
    model : str
        Its name.
    image : np.ndarray
        Its input: an attack differs from model to model.
    truth, prediction : np.ndarray
        Labels.
    uncertainty : np.ndarray
        Error probability, 0 to 1.
    size_mm : tuple of float
        (rows, columns).
    window : tuple of float
        Image values that are shown black and white.
    dice : float
        Of the whole volume, mean over the structures.
    """

    model: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    uncertainty: np.ndarray
    size_mm: tuple[float, float]
    window: tuple[float, float]
    dice: float


@dataclass(frozen=True)
class Example:
    """One case under one condition: the name of the plane, and a slice for each model."""

    case: str
    condition: str
    plane: str
    structures: tuple[str, ...]
    slices: tuple[PredictedSlice, ...]


def choose_examples(tables: Tables, suite: Suite) -> tuple[tuple[str, ...], Suite]:
    """Choose the case nearest the median Dice and the worst one, and the hardest condition of each group.

    Parameters
    ----------
    tables : Tables
        What was measured; a case's Dice is its mean over all models and conditions.
    suite : Suite
        Of the verification.

    Returns
    -------
    tuple of str, Suite
        Names of one or two cases; a suite of at most `MOST_CONDITIONS` conditions besides the clean image:
        the noise, artifact and attack with the lowest mean Dice.
    """
    by_case = tables.cases.groupby("case", sort=False)["dice"].mean()
    median = (by_case - by_case.median()).abs().idxmin()
    by_condition = tables.cases.groupby("condition", sort=False)["dice"].mean()
    chosen = set()
    for group in GROUPS:
        keys = [
            each.key for each in named_conditions(suite) if each.group == group and each.key in by_condition
        ]
        if keys:
            chosen.add(by_condition[keys].idxmin())
    shown = replace(
        suite,
        corruptions=tuple(each for each in suite.corruptions if each.key in chosen),
        attacks=tuple(each for each in suite.attacks if each.key in chosen),
    )
    return tuple(dict.fromkeys((median, by_case.idxmin()))), shown


def examples_of(
    models: Sequence[EvaluatedModel], cases: Sequence[Case], suite: Suite, seed: int, device: str = "cpu"
) -> list[Example]:
    """Slices of the cases, clean and under all conditions of the suite, by every model.

    Parameters
    ----------
    models : sequence of EvaluatedModel
        The models.
    cases : sequence of Case
        See `choose_examples`.
    suite : Suite
        The conditions.
    seed : int
        Of the verification, so that the pictures show what was measured.
    device : str
        Where the networks run.

    Raises
    ------
    ImageError
        A case cannot be read.
    """
    return [example for case in cases for example in _of_case(models, case, suite, seed, device)]


def _of_case(
    models: Sequence[EvaluatedModel], case: Case, suite: Suite, seed: int, device: str
) -> Iterator[Example]:
    found: dict[str, list[PredictedSlice]] = {}
    planes: dict[str, str] = {}
    loaded = {each.name: _loaded(each, case) for each in models}
    for evaluated in loaded.values():
        image, label = read_case(evaluated, case)
        for each in predictions(evaluated, image, label, case.name, Protocol(suite, seed, device, loaded)):
            if isinstance(each, Skipped):
                continue  # the report's table has the reason
            plane, shown = _slice(evaluated, each.image, each.image.with_array(each.truth[None]), each.mean)
            found.setdefault(each.condition, []).append(shown)
            planes.setdefault(each.condition, plane)
    for condition, shown in found.items():
        yield Example(case.name, condition, planes[condition], models[0].structures, tuple(shown))


def _loaded(evaluated: EvaluatedModel, case: Case) -> EvaluatedModel:
    own = evaluated.of_patient(case.patient)
    return replace(own, model=LoadedModel(own.model))


def _slice(
    evaluated: EvaluatedModel, image: Volume, truth: Volume, mean: np.ndarray
) -> tuple[str, PredictedSlice]:
    """A slice in the plane that shows most of the true structures, the same for all models on a grid."""
    prediction = mean.argmax(axis=0)
    maps = image.with_array(error_probability(mean)[None])
    scene = make_scene(image, truth, maps)
    labels = make_scene(image, truth, image.with_array(prediction[None])).uncertainty
    areas = [_area(plane.slice(scene.labels, scene.index), plane.extent(scene.spacing)) for plane in PLANES]
    plane = PLANES[int(np.argmax(areas))]
    cut = [
        plane.slice(array, scene.index) for array in (scene.image, scene.labels, labels, scene.uncertainty)
    ]
    values = [dice(prediction == label, truth.array[0] == label) for label in _labels(evaluated)]
    sizes = {"size_mm": scene.size_mm(plane), "window": scene.window, "dice": float(np.mean(values))}
    return plane.name.lower(), PredictedSlice(evaluated.name, *cut, **sizes)


def _labels(evaluated: EvaluatedModel) -> range:
    return range(1, len(evaluated.structures) + 1)


def _area(labels: np.ndarray, step: tuple[float, float]) -> float:
    return float((labels > 0).sum() * step[0] * step[1])


def example_picture(example: Example, condition: str, why: str) -> Picture:
    """Draw one example.

    Parameters
    ----------
    example : Example
        From `examples_of`.
    condition : str
        Title of the condition.
    why : str
        Why this case is shown.
    """
    figure = _figure(example)
    for text in figure.findobj(Text):
        text.set(parse_math=False, family=families())
    models = listed([f"{each.model} {share(each.dice)}" for each in example.slices])
    caption = f"{example.case} ({why}), {condition}, {example.plane} slice. Dice of the volume: {models}."
    data = base64.b64encode(_png(figure)).decode()
    return Picture(f'<img alt="" src="data:image/png;base64,{data}">', caption)


def _png(figure: Figure) -> bytes:
    """With a palette of 256 colors, which halves the size of the file."""
    canvas, stream = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _figure(example: Example) -> Figure:
    slices = example.slices
    columns = min(len(slices), _MODELS_IN_A_ROW)
    blocks = -(-len(slices) // columns)
    height_mm, width_mm = slices[0].size_mm
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
        _draw_truth(grid[2 * block : 2 * block + 2, 0], slices[0])
        for column, shown in enumerate(slices[block * columns : (block + 1) * columns], start=1):
            _draw_prediction(grid[2 * block : 2 * block + 2, column], shown)
    _legends(figure, grid, example)
    return figure


def _draw_truth(places, shown: PredictedSlice) -> None:
    above, below = places
    _show(above, shown)
    _outlines(above, shown.truth)
    _head(above, "truth")
    _show(below, shown)
    _head(below, "image")


def _draw_prediction(places, shown: PredictedSlice) -> None:
    above, below = places
    _show(above, shown)
    _outlines(above, shown.prediction)
    _head(above, shown.model)
    _corner_note(above, share(shown.dice))
    _show(below, shown)
    colors = color_values(shown.uncertainty, display())
    below.imshow(colors, interpolation="nearest", aspect=below.get_aspect())
    below.add_collection(LineCollection(outline(shown.prediction > 0), colors=MASK_EDGE, linewidths=0.6))
    _head(below, "uncertainty")


def display() -> MapDisplay:
    """The display of error probability in all pictures: 0 to 50 %, never fitted to an image."""
    return map_display(DEFAULT_MAP, classes=3)


def _show(axes: Axes, shown: PredictedSlice) -> None:
    low, high = shown.window
    rows, columns = shown.image.shape
    aspect = (shown.size_mm[0] / rows) / (shown.size_mm[1] / columns)
    axes.imshow(shown.image, cmap="gray", vmin=low, vmax=high, interpolation="nearest", aspect=aspect)


def _outlines(axes: Axes, labels) -> None:
    for label in range(1, int(labels.max(initial=0)) + 1):
        color = STRUCTURE_COLORS[(label - 1) % len(STRUCTURE_COLORS)]
        axes.add_collection(
            LineCollection(outline(labels == label, OUTLINE_INSET), colors=color, linewidths=1.1)
        )


def _head(axes: Axes, text: str) -> None:
    axes.set_title(printable(shorten(text, 17)), fontsize=7, color=FOREGROUND, pad=3)


def _corner_note(axes: Axes, text: str) -> None:
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
