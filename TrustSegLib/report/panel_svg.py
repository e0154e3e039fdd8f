"""One slice as SVG: pixels as they are, lines and letters sharp on screen and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from TrustSegLib.report.inferno import inferno
from TrustSegLib.report.planes import Plane, outline
from TrustSegLib.report.png import png_address
from TrustSegLib.report.scene import Scene

FULL_SCALE = 0.5
"""Error probability that has the brightest color, in every picture."""
HIDDEN_BELOW = 0.02
OPACITY = 0.6
OUTLINE_INSET = 0.08
"""Of a voxel: outlines of structures that touch are both seen."""
CROSSHAIR_COLOR = "#35e0ff"
EDGE_COLOR = (255, 255, 255)
"""Of outlines over the uncertainty, whose colors a structure's own could be."""
_SCALE_BARS_MM = (100, 50, 20, 10, 5, 2, 1)

Colors = Mapping[int, tuple[int, int, int]]


def panel_svg(
    scene: Scene, plane: Plane, colors: Colors, *, uncertainty: bool, crosshair: bool, unit: float
) -> str:
    """Draw one plane of a scene, in mm.

    Parameters
    ----------
    scene : Scene
        What is shown.
    plane : Plane
        Which of its three planes.
    colors : mapping of int to (int, int, int)
        Color of each label's outline.
    uncertainty, crosshair : bool
        Whether the error probability and the scene's point are drawn in.
    unit : float
        Length in mm of the image that is one mm on paper: lines and letters keep their size.
    """
    height, width = scene.size_mm(plane)
    rows_mm, columns_mm = plane.extent(scene.spacing)
    parts = [
        f'<image href="{png_address(_pixels(scene, plane, uncertainty))}" width="{width:.3f}" '
        f'height="{height:.3f}" preserveAspectRatio="none" style="image-rendering:pixelated"/>'
    ]
    labels = plane.slice(scene.labels, scene.index)
    parts += [
        _path(
            outline(labels == label, OUTLINE_INSET),
            (columns_mm, rows_mm),
            EDGE_COLOR if uncertainty else color,
            (0.2 if uncertainty else 0.35) * unit,
        )
        for label, color in colors.items()
        if (labels == label).any()
    ]
    if crosshair:
        parts.append(_crosshair(scene, plane, unit))
    parts += [*_letters(plane, width, height, unit), _scale_bar(width, height, unit)]
    title = escape(f"{plane.name} slice, {plane.position(scene.point_ras)}")
    return (
        f'<svg viewBox="0 0 {width:.3f} {height:.3f}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    )


def _pixels(scene: Scene, plane: Plane, uncertainty: bool) -> np.ndarray:
    low, high = scene.window
    gray = np.clip((plane.slice(scene.image, scene.index).astype(float) - low) / (high - low), 0, 1) * 255
    picture = np.repeat(gray[..., None], 3, axis=-1)
    if uncertainty:
        error = plane.slice(scene.uncertainty, scene.index).astype(float)
        opacity = np.where(error >= HIDDEN_BELOW, OPACITY, 0.0)[..., None]
        picture = (1 - opacity) * picture + opacity * inferno(error / FULL_SCALE)
    return np.round(picture).astype(np.uint8)


def _path(
    segments: np.ndarray, step: tuple[float, float], color: tuple[int, int, int], line_width: float
) -> str:
    # The center of the first voxel is half a voxel inside the picture.
    points = (segments + 0.5) * step
    moves = "".join(f"M{x0:.2f} {y0:.2f}L{x1:.2f} {y1:.2f}" for (x0, y0), (x1, y1) in points.tolist())
    red, green, blue = color
    return (
        f'<path d="{moves}" fill="none" stroke="rgb({red} {green} {blue})" stroke-width="{line_width:.3f}" '
        'stroke-linecap="square"/>'
    )


def _crosshair(scene: Scene, plane: Plane, unit: float) -> str:
    """Four lines that leave the place itself free."""
    height, width = scene.size_mm(plane)
    (row, column), (rows_mm, columns_mm) = plane.extent(scene.index), plane.extent(scene.spacing)
    x, y, gap = (column + 0.5) * columns_mm, (row + 0.5) * rows_mm, 2.5 * unit
    moves = (
        f"M0 {y:.2f}H{max(0.0, x - gap):.2f}M{min(width, x + gap):.2f} {y:.2f}H{width:.2f}"
        f"M{x:.2f} 0V{max(0.0, y - gap):.2f}M{x:.2f} {min(height, y + gap):.2f}V{height:.2f}"
    )
    return f'<path d="{moves}" fill="none" stroke="{CROSSHAIR_COLOR}" stroke-width="{0.2 * unit:.3f}"/>'


def _letters(plane: Plane, width: float, height: float, unit: float) -> list[str]:
    size = 2.6 * unit
    places = (
        (plane.left, 0.4 * size, height / 2, "start"),
        (plane.right, width - 0.4 * size, height / 2, "end"),
        (plane.top, width / 2, size, "middle"),
        (plane.bottom, width / 2, height - 0.4 * size, "middle"),
    )
    return [_text(letter, x, y, anchor, size) for letter, x, y, anchor in places]


def _scale_bar(width: float, height: float, unit: float) -> str:
    """A bar of a round length at the lower left."""
    length = next((mm for mm in _SCALE_BARS_MM if mm <= width / 3), 0)
    x, y = unit, height - unit
    bar = f'<path d="M{x:.2f} {y:.2f}h{length}" stroke="#fff" stroke-width="{0.5 * unit:.3f}"/>'
    return bar + _text(f"{length} mm", x, y - 0.8 * unit, "start", 2 * unit) if length else ""


def _text(text: str, x: float, y: float, anchor: str, size: float) -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="{size:.2f}">{escape(text)}</text>'
    )
