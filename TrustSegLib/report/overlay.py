"""`overlay.png`: the mask and its uncertainty on three slices of the image, for people to look at."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.lines import Line2D

from TrustSegLib.imaging import orient
from TrustSegLib.report.files import DEFAULT_MAP, write_atomically
from TrustSegLib.report.json_report import INTENDED_USE
from TrustSegLib.report.page import BACKGROUND, FOREGROUND, Page
from TrustSegLib.report.planes import DISPLAY_ORIENTATION, PLANES, Plane, center_index, field_of_view, outline
from TrustSegLib.report.typeface import printable, shorten
from TrustSegLib.uncertainty import map_range, map_title, map_unit

if TYPE_CHECKING:
    from TrustSegLib.bundle import Structure
    from TrustSegLib.imaging import Volume
    from TrustSegLib.inference.result import SegmentationResult

HIDDEN_SHARE = 0.04
"""Values below this share of the scale are not drawn (2 % of error probability): the anatomy stays clear."""
OVERLAY_OPACITY = 0.85
MASK_INSET = 0.08
"""Outlines run this share of a voxel inside their structure, so that two that touch are both seen."""
MASK_EDGE = "#35e0ff"
"""Cyan is in neither the gray of the image nor the colors of the uncertainty."""
LEGEND_ROWS = 16


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
    """

    title: str
    unit: str
    factor: float
    low: float
    high: float

    @classmethod
    def of_map(cls, name: str, classes: int) -> Scale:
        """Take the display scale of a map; the error probability is shown in percent."""
        low, high = map_range(name, classes)
        factor, unit = (100.0, "%") if name == DEFAULT_MAP else (1.0, map_unit(name))
        return cls(map_title(name), unit, factor, low * factor, high * factor)

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
        colors[..., 3] = np.where(shown >= self.hidden_below, OVERLAY_OPACITY, 0.0)
        return colors


@dataclass(frozen=True)
class Scene:
    """What is drawn, as arrays whose axes point (inferior, posterior, left).

    Attributes
    ----------
    image, labels, uncertainty : np.ndarray
        (D, H, W), cropped to the field of view.
    spacing : tuple of float
        (z, y, x) in mm.
    index : tuple of int
        Voxel (z, y, x) that the three planes go through.
    point_ras : np.ndarray
        The same place in RAS mm.
    window : tuple of float
        Image values shown black and white.
    oblique : tuple of bool
        For each array axis, whether the plane across it is turned away from the body's planes.
    """

    image: np.ndarray
    labels: np.ndarray
    uncertainty: np.ndarray
    spacing: tuple[float, float, float]
    index: tuple[int, int, int]
    point_ras: np.ndarray
    window: tuple[float, float]
    oblique: tuple[bool, bool, bool]

    def size_mm(self, plane: Plane) -> tuple[float, float]:
        """Extent of a plane's slice: (rows, columns) in mm."""
        return plane.extent(tuple(n * step for n, step in zip(self.image.shape, self.spacing)))


def uncertainty_colormap() -> Colormap:
    """Perceptually uniform, without the black end that would be lost on a dark image."""
    return ListedColormap(colormaps["inferno"](np.linspace(0.22, 1.0, 256)), name="uncertainty")


def write_overlay(
    volume: Volume,
    result: SegmentationResult,
    path: str | os.PathLike,
    map_name: str = DEFAULT_MAP,
    structures: Sequence[Structure] = (),
    *,
    image_name: str = "",
    window: tuple[float, float] | None = None,
) -> None:
    """Draw three slices through the structures: the mask above, the uncertainty below.

    Radiological view (the patient's right on the left of the picture), in true proportions for any
    orientation and spacing of the image. The colors of the uncertainty have a fixed scale.

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W); the first channel is shown.
    result : SegmentationResult
        Labels and maps on the grid of `volume`.
    path : path
        PNG to write, whole or not at all.
    map_name : str
        One of the maps of `result`.
    structures : sequence of Structure
        The model's structures, for their names and colors.
    image_name : str
        Shown as the title.
    window : tuple of float, optional
        Image values shown black and white; default: percentiles .5 and 99.5 of what is shown.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    scene = _scene(volume, result, map_name, window)
    scale = Scale.of_map(map_name, classes=len(structures) + 1)
    page = Page([scene.size_mm(plane) for plane in PLANES])
    page.header(printable(shorten(image_name, 90)), _subtitle(result))
    for column, plane in enumerate(PLANES):
        _draw_mask(page.panel(0, column), scene, plane, structures)
        _draw_uncertainty(page.panel(1, column), scene, plane, scale)
        for row in range(2):
            page.label_panel(row, column, plane, _plane_title(scene, plane))
    _draw_legend(page.legend(0), scene, result, structures)
    _draw_colorbar(page, scale)
    page.footer("Radiological view: the patient's right is on the left.")
    write_atomically(path, _png(page))


def _scene(volume: Volume, result: SegmentationResult, map_name: str, window: tuple[float, float] | None) -> Scene:
    image = orient(volume, DISPLAY_ORIENTATION)
    labels = orient(result.labels, DISPLAY_ORIENTATION).array[0]
    uncertainty = orient(result.maps[map_name], DISPLAY_ORIENTATION).array[0]
    spacing = image.spacing[::-1]
    center = center_index(labels > 0)
    view = field_of_view(labels > 0, spacing)
    shown = image.array[0][view]
    return Scene(
        image=shown,
        labels=labels[view],
        uncertainty=uncertainty[view],
        spacing=spacing,
        index=tuple(at - part.start for at, part in zip(center, view)),
        point_ras=_position_ras(image, center),
        window=window or _percentile_window(shown),
        oblique=_oblique(image),
    )


def _position_ras(volume: Volume, index: tuple[int, int, int]) -> np.ndarray:
    direction = np.reshape(volume.direction, (3, 3))
    point_lps = np.asarray(volume.origin) + direction @ (np.asarray(volume.spacing) * index[::-1])
    return point_lps * (-1.0, -1.0, 1.0)


def _oblique(volume: Volume, degrees: float = 5.0) -> tuple[bool, bool, bool]:
    along_body_axis = np.abs(np.diag(np.reshape(volume.direction, (3, 3))))
    return tuple(bool(cosine < np.cos(np.radians(degrees))) for cosine in along_body_axis[::-1])


def _percentile_window(image: np.ndarray) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    return (low, high) if high > low else (low, low + 1.0)


def _subtitle(result: SegmentationResult) -> str:
    model = f"{result.model['name']} {result.model['version']}"
    trust = "uncertainty not calibrated" if result.calibration is None else "uncertainty calibrated"
    return f"{printable(shorten(model, 50))}  ·  {INTENDED_USE}  ·  {trust}"


def _plane_title(scene: Scene, plane: Plane) -> str:
    name = f"{plane.name}, oblique" if scene.oblique[plane.axis] else plane.name
    return f"{name}  {plane.position(scene.point_ras)}"


def _show(axes: Axes, scene: Scene, plane: Plane) -> None:
    rows_mm, columns_mm = plane.extent(scene.spacing)
    low, high = scene.window
    axes.imshow(
        plane.slice(scene.image, scene.index),
        cmap="gray",
        vmin=low,
        vmax=high,
        interpolation="nearest",
        aspect=rows_mm / columns_mm,
    )


def _draw_mask(axes: Axes, scene: Scene, plane: Plane, structures: Sequence[Structure]) -> None:
    _show(axes, scene, plane)
    labels = plane.slice(scene.labels, scene.index)
    for structure in structures:
        segments = outline(labels == structure.label, MASK_INSET)
        axes.add_collection(LineCollection(segments, colors=[_rgb(structure)], linewidths=1.8, capstyle="projecting"))


def _draw_uncertainty(axes: Axes, scene: Scene, plane: Plane, scale: Scale) -> None:
    _show(axes, scene, plane)
    axes.imshow(
        scale.colors(plane.slice(scene.uncertainty, scene.index)),
        interpolation="nearest",
        aspect=axes.get_aspect(),
    )
    segments = outline(plane.slice(scene.labels, scene.index) > 0)
    axes.add_collection(LineCollection(segments, colors=MASK_EDGE, linewidths=0.8))


def _draw_legend(
    axes: Axes, scene: Scene, result: SegmentationResult, structures: Sequence[Structure]
) -> None:
    volumes = {row.label: row.volume_ml for row in result.structures}
    # Those on the three slices come first: of a hundred structures only some fit.
    on_slices = np.unique(np.concatenate([plane.slice(scene.labels, scene.index).ravel() for plane in PLANES]))
    ordered = sorted(structures, key=lambda structure: structure.label not in on_slices)
    handles = [
        Line2D([], [], color=_rgb(structure), linewidth=3, label=_legend_text(structure, volumes))
        for structure in ordered[:LEGEND_ROWS]
    ]
    if len(ordered) > LEGEND_ROWS:
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(ordered) - LEGEND_ROWS} more"))
    if not scene.labels.any():
        handles.append(Line2D([], [], linestyle="none", label="No structure was found"))
    legend = axes.legend(handles=handles, loc="upper left", borderaxespad=0, frameon=False, labelcolor=FOREGROUND)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _legend_text(structure: Structure, volumes: dict[int, float]) -> str:
    name = printable(shorten(structure.name, 26))
    return f"{name}\n{volumes[structure.label]:.2f} ml" if structure.label in volumes else name


def _draw_colorbar(page: Page, scale: Scale) -> None:
    bar = page.colorbar(ScalarMappable(scale.norm, uncertainty_colormap()), scale.title, scale.unit)
    bar.ax.axhspan(scale.low, scale.hidden_below, color=BACKGROUND)
    page.colorbar_note(f"below {scale.hidden_below:.2g} {scale.unit}: not drawn\nthin line: edge of the mask")


def _rgb(structure: Structure) -> tuple[float, float, float]:
    return tuple(component / 255 for component in structure.color)


def _png(page: Page) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(page.figure).print_png(buffer)
    return buffer.getvalue()
