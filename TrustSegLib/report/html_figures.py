"""The pictures of `report.html`, as SVG: an overview of the structures, and three planes of each region."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from TrustSegLib.contract import DEFAULT_MAP, map_display
from TrustSegLib.report.planes import OUTLINE_INSET, PLANES, Plane, center_index, field_of_view, outline
from TrustSegLib.report.scale import color_values, css_gradient
from TrustSegLib.report.scene import Oriented, Scene

ROW_WIDTH_MM, ROW_HEIGHT_MM = 178.0, 62.0
"""Largest size of a row of three panels on paper."""
HALF_VIEW_MM = 30.0
"""Anatomy shown on each side of a region."""
CROSSHAIR_COLOR = "#35e0ff"
EDGE_COLOR = (255, 255, 255)
"""White outlines over the uncertainty: its colors may equal those of a structure."""
# The colors are the same for any number of classes, and whether or not the map is calibrated.
_DISPLAY = map_display(DEFAULT_MAP, classes=2)
_SCALE_BARS_MM = (100, 50, 20, 10, 5, 2, 1)
Colors = Mapping[int, tuple[int, int, int]]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_RGB = (8, 2, 0, 0, 0)


def overview(oriented: Oriented, colors: Colors, window: tuple[float, float] | None) -> str:
    """Draw three planes through the structures: the outlines above, the uncertainty below."""
    mask = oriented.mask
    scene = oriented.scene(center_index(mask), field_of_view(mask, oriented.spacing), window)
    rows = [_row(scene, colors, uncertainty=shown, crosshair=False) for shown in (False, True)]
    return f'<div class="figure">{"".join(rows)}</div>'


def region_figure(
    oriented: Oriented, region: Mapping[str, Any], colors: Colors, window: tuple[float, float] | None
) -> str:
    """Draw three planes through a region of `report.json`, marked by a crosshair."""
    index = oriented.index_of(region["position_ras_mm"])
    half_mm = HALF_VIEW_MM + 10 * float(region["volume_ml"]) ** (1 / 3)
    view = tuple(
        slice(max(0, at - round(half_mm / step)), min(size, at + round(half_mm / step) + 1))
        for at, step, size in zip(index, oriented.spacing, oriented.image.shape, strict=True)
    )
    return _row(oriented.scene(index, view, window), colors, uncertainty=True, crosshair=True)


def legend(names: Mapping[int, str], colors: Colors, calibrated: bool) -> str:
    """Legend of outlines and colors; numbers of a map that is not calibrated are not in percent."""
    entries = [
        f'<span class="key"><i style="background:{css_color(colors[label])}"></i>{escape(name)}</span>'
        for label, name in names.items()
    ]
    display = map_display(DEFAULT_MAP, classes=2, calibrated=calibrated)
    low, high, hidden = (
        display.text(value, ".2g") for value in (display.low, display.high, display.hidden_below)
    )
    bar = (
        f'<span class="key">{display.title} <b>{low}</b>'
        f'<i class="bar" style="background:{css_gradient()}"></i>'
        f"<b>{high}</b> (below {hidden} not drawn)</span>"
    )
    note = (
        "<span>White line: edge of the mask.</span>"
        "<span>Radiological view: the patient's right is on the left.</span>"
    )
    return f'<p class="legend">{"".join(entries)}{bar}{note}</p>'


def css_color(color: tuple[int, int, int]) -> str:
    """Format a color as CSS."""
    red, green, blue = (int(np.clip(value, 0, 255)) for value in color)
    return f"rgb({red} {green} {blue})"


def _row(scene: Scene, colors: Colors, *, uncertainty: bool, crosshair: bool) -> str:
    sizes = [scene.size_mm(plane) for plane in PLANES]
    # One scale for the three planes, so that sizes can be compared.
    paper_mm = min(ROW_WIDTH_MM / sum(width for _, width in sizes), ROW_HEIGHT_MM / max(h for h, _ in sizes))
    panels = [
        f'<figure style="flex:{width:.3f} 1 0">'
        + panel_svg(scene, plane, colors, uncertainty=uncertainty, crosshair=crosshair, unit=1 / paper_mm)
        + f"<figcaption>{scene.plane_name(plane)} {plane.position(scene.point_ras)}</figcaption></figure>"
        for plane, (_, width) in zip(PLANES, sizes, strict=True)
    ]
    total = paper_mm * sum(width for _, width in sizes)
    return f'<div class="row" style="max-width:{total:.1f}mm">{"".join(panels)}</div>'


def panel_svg(
    scene: Scene, plane: Plane, colors: Colors, *, uncertainty: bool, crosshair: bool, unit: float
) -> str:
    """Draw one plane of a scene, in mm.

    Parameters
    ----------
    scene : Scene
        To draw.
    plane : Plane
        One of its three planes.
    colors : mapping of int to (int, int, int)
        Color of each label's outline.
    uncertainty, crosshair : bool
        Whether to draw the uncertainty, and a crosshair at the scene's point.
    unit : float
        Length in the image of one mm on paper: lines and letters have the same size in all pictures.
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
        colors = color_values(plane.slice(scene.uncertainty, scene.index), _DISPLAY)
        opacity = colors[..., 3:]
        picture = (1 - opacity) * picture + opacity * 255 * colors[..., :3]
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
    """Four lines that leave the point itself free."""
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
    """Bar of a round length at the lower left."""
    length = next((mm for mm in _SCALE_BARS_MM if mm <= width / 3), 0)
    x, y = unit, height - unit
    bar = f'<path d="M{x:.2f} {y:.2f}h{length}" stroke="#fff" stroke-width="{0.5 * unit:.3f}"/>'
    return bar + _text(f"{length} mm", x, y - 0.8 * unit, "start", 2 * unit) if length else ""


def _text(text: str, x: float, y: float, anchor: str, size: float) -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="{size:.2f}">{escape(text)}</text>'
    )


def png_bytes(picture: np.ndarray) -> bytes:
    """Encode a picture as PNG (ISO/IEC 15948), without row filters.

    Parameters
    ----------
    picture : np.ndarray
        (rows, columns, 3) uint8 red, green, blue.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture is (rows, columns, 3) uint8, not {picture.shape} {picture.dtype}")
    rows, columns, _ = picture.shape
    # Each row begins with the number of its filter: 0.
    lines = np.zeros((rows, 1 + 3 * columns), dtype=np.uint8)
    lines[:, 1:] = picture.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, *_EIGHT_BIT_RGB)
    data = zlib.compress(lines.tobytes(), level=9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_address(picture: np.ndarray) -> str:
    """Encode a picture as a `data:` address, which needs no file beside the page."""
    return "data:image/png;base64," + b64encode(png_bytes(picture)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
