"""`overlay.png`: the mask and its uncertainty on three slices of the image."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from TrustSegLib.contract import (
    DEFAULT_MAP,
    INTENDED_USE,
    MapDisplay,
    calibration_sentence,
    calibration_title,
    is_map_calibrated,
    map_display,
)
from TrustSegLib.report.files import write_atomically
from TrustSegLib.report.page import BACKGROUND, FOREGROUND, Page, families, printable, shorten
from TrustSegLib.report.planes import OUTLINE_INSET, PLANES, Plane, outline
from TrustSegLib.report.scale import color_values, colorbar_colors
from TrustSegLib.report.scene import Scene, make_scene

if TYPE_CHECKING:
    from TrustSegLib.bundle import Structure
    from TrustSegLib.imaging import Volume
    from TrustSegLib.inference.result import SegmentationResult

MASK_EDGE = "#35e0ff"
"""Cyan: neither a gray value of the image nor a color of the uncertainty."""


def write_overlay(
    volume: Volume,
    result: SegmentationResult,
    path: str | os.PathLike,
    map_name: str = DEFAULT_MAP,
    *,
    structures: Sequence[Structure],
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
    page = draw_overlay(volume, result, map_name, structures=structures, image_name=image_name, window=window)
    buffer = io.BytesIO()
    FigureCanvasAgg(page.figure).print_png(buffer)
    write_atomically(path, buffer.getvalue())


def draw_overlay(
    volume: Volume,
    result: SegmentationResult,
    map_name: str = DEFAULT_MAP,
    *,
    structures: Sequence[Structure],
    image_name: str = "",
    window: tuple[float, float] | None = None,
) -> Page:
    """Draw what `write_overlay` writes; same arguments."""
    scene = make_scene(volume, result.labels, result.maps[map_name], window)
    display = map_display(map_name, len(structures) + 1, is_map_calibrated(result.calibration))
    page = Page(
        [scene.size_mm(plane) for plane in PLANES], printable(calibration_sentence(result.calibration))
    )
    page.header(printable(shorten(image_name, 80)), _subtitle(result))
    for column, plane in enumerate(PLANES):
        _draw_mask(page.panel(0, column), scene, plane, structures)
        _draw_uncertainty(page.panel(1, column), scene, plane, display)
        for row in range(2):
            title = f"{scene.plane_name(plane)}  {plane.position(scene.point_ras)}"
            page.label_panel(row, column, plane, title)
    _draw_legend(page, scene, result, structures)
    _draw_colorbar(page, display)
    page.footer("Radiological view: the patient's right is on the left.")
    return page


def _subtitle(result: SegmentationResult) -> str:
    model = f"{result.model['name']} {result.model['version']}"
    calibration = calibration_title(result.calibration)
    return f"{printable(shorten(model, 50))}  ·  {INTENDED_USE}  ·  {calibration}"


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
        segments = outline(labels == structure.label, OUTLINE_INSET)
        axes.add_collection(
            LineCollection(segments, colors=[_rgb(structure)], linewidths=1.8, capstyle="projecting")
        )


def _draw_uncertainty(axes: Axes, scene: Scene, plane: Plane, display: MapDisplay) -> None:
    _show(axes, scene, plane)
    axes.imshow(
        color_values(plane.slice(scene.uncertainty, scene.index), display),
        interpolation="nearest",
        aspect=axes.get_aspect(),
    )
    edges = outline(plane.slice(scene.labels, scene.index) > 0)
    axes.add_collection(LineCollection(edges, colors=MASK_EDGE, linewidths=0.8))


def _draw_legend(
    page: Page, scene: Scene, result: SegmentationResult, structures: Sequence[Structure]
) -> None:
    volumes = {row.label: row.volume_ml for row in result.structures}
    # Those on the three slices come first: there is room for some of a hundred structures only.
    on_slices = set().union(*(plane.slice(scene.labels, scene.index).ravel().tolist() for plane in PLANES))
    ordered = sorted(structures, key=lambda structure: structure.label not in on_slices)
    room = page.legend_entries - 1  # The last entry is the number of the others.
    handles = [
        Line2D([], [], color=_rgb(structure), linewidth=3, label=_legend_text(structure, volumes))
        for structure in ordered[:room]
    ]
    if len(ordered) > room:
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(ordered) - room} more"))
    if not scene.labels.any():
        handles.append(Line2D([], [], linestyle="none", label="No structure was found"))
    legend = page.legend().legend(
        handles=handles,
        loc="upper left",
        borderaxespad=0,
        handlelength=1.2,
        frameon=False,
        labelcolor=FOREGROUND,
    )
    for text in legend.get_texts():
        text.set(parse_math=False, family=families())


def _legend_text(structure: Structure, volumes: dict[int, float]) -> str:
    name = printable(shorten(structure.name, 28))
    return f"{name}\n{volumes[structure.label]:.2f} ml" if structure.label in volumes else name


def _draw_colorbar(page: Page, display: MapDisplay) -> None:
    colors = colorbar_colors(display)
    bar = page.colorbar(colors, display.heading, open_end=display.open_end)
    bar.ax.axhspan(display.low * display.factor, display.hidden_below * display.factor, color=BACKGROUND)
    hidden_below = display.text(display.hidden_below, ".2g")
    page.colorbar_note(f"below {hidden_below}: not drawn\nthin line: edge of the mask")


def _rgb(structure: Structure) -> tuple[float, float, float]:
    return tuple(component / 255 for component in structure.color)
