"""The pictures of `report.html`: an overview of the structures and one row for each region."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from TrustSegLib.report.inferno import css_gradient
from TrustSegLib.report.panel_svg import FULL_SCALE, HIDDEN_BELOW, Colors, panel_svg
from TrustSegLib.report.planes import PLANES, Plane, center_index, field_of_view
from TrustSegLib.report.scene import Oriented, Scene

ROW_WIDTH_MM, ROW_HEIGHT_MM = 178.0, 62.0
"""Most that a row of three panels takes on the paper."""
HALF_VIEW_MM = 30.0
"""Anatomy shown on each side of a region."""


def overview(oriented: Oriented, colors: Colors, window: tuple[float, float] | None) -> str:
    """Draw three planes through the structures: the outlines above, the error probability below."""
    mask = oriented.mask
    scene = oriented.scene(center_index(mask), field_of_view(mask, oriented.spacing), window)
    rows = [_row(scene, colors, uncertainty=shown, crosshair=False) for shown in (False, True)]
    return f'<div class="figure">{"".join(rows)}</div>'


def region_figure(
    oriented: Oriented, region: Mapping[str, Any], colors: Colors, window: tuple[float, float] | None
) -> str:
    """Draw three planes through a region, `region` as in `report.json`; the crosshair stands on it."""
    index = oriented.index_of(region["position_ras_mm"])
    half_mm = HALF_VIEW_MM + 10 * float(region["volume_ml"]) ** (1 / 3)
    view = tuple(
        slice(max(0, at - round(half_mm / step)), min(size, at + round(half_mm / step) + 1))
        for at, step, size in zip(index, oriented.spacing, oriented.image.shape, strict=True)
    )
    return _row(oriented.scene(index, view, window), colors, uncertainty=True, crosshair=True)


def legend(names: Mapping[int, str], colors: Colors) -> str:
    """Explain outlines and colors."""
    entries = [
        f'<span class="key"><i style="background:{css_color(colors[label])}"></i>{escape(name)}</span>'
        for label, name in names.items()
    ]
    bar = (
        '<span class="key">Error probability <b>0 %</b>'
        f'<i class="bar" style="background:{css_gradient()}"></i>'
        f"<b>{100 * FULL_SCALE:.0f} %</b> (below {100 * HIDDEN_BELOW:.0f} % not drawn)</span>"
    )
    note = (
        "<span>White line: edge of the mask.</span>"
        "<span>Radiological view: the patient's right is on the left.</span>"
    )
    return f'<p class="legend">{"".join(entries)}{bar}{note}</p>'


def css_color(color: tuple[int, int, int]) -> str:
    """A color as CSS writes it."""
    red, green, blue = (int(np.clip(value, 0, 255)) for value in color)
    return f"rgb({red} {green} {blue})"


def _row(scene: Scene, colors: Colors, *, uncertainty: bool, crosshair: bool) -> str:
    sizes = [scene.size_mm(plane) for plane in PLANES]
    # One scale for the three planes, so that sizes compare.
    paper_mm = min(ROW_WIDTH_MM / sum(width for _, width in sizes), ROW_HEIGHT_MM / max(h for h, _ in sizes))
    panels = [
        f'<figure style="flex:{width:.3f} 1 0">'
        + panel_svg(scene, plane, colors, uncertainty=uncertainty, crosshair=crosshair, unit=1 / paper_mm)
        + f"<figcaption>{escape(_title(scene, plane))}</figcaption></figure>"
        for plane, (_, width) in zip(PLANES, sizes, strict=True)
    ]
    total = paper_mm * sum(width for _, width in sizes)
    return f'<div class="row" style="max-width:{total:.1f}mm">{"".join(panels)}</div>'


def _title(scene: Scene, plane: Plane) -> str:
    name = f"{plane.name}, oblique" if scene.oblique[plane.axis] else plane.name
    return f"{name} {plane.position(scene.point_ras)}"
