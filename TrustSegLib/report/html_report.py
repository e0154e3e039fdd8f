"""`report.html`: one file to read on a screen and on paper, with pictures of the places to look at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from TrustSegLib.contract import (
    calibration_sentence,
    calibration_title,
    is_map_calibrated,
    sides_sentence,
)
from TrustSegLib.imaging.image_files import ITK_READERS
from TrustSegLib.report.files import write_atomically
from TrustSegLib.report.html_figures import Colors, legend, overview, region_figure
from TrustSegLib.report.html_tables import (
    audit_table,
    calibration_text,
    definitions,
    number,
    percent,
    position_text,
    region_table,
    structure_names,
    structure_table,
)
from TrustSegLib.report.scene import Oriented
from TrustSegLib.uncertainty.out_of_distribution import UNLIKE

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume


MOST_PICTURED = 6
"""Regions with pictures; the others are only listed."""
OTHER_COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0))
"""Palette of Okabe and Ito for structures without a color: color-blind readers can distinguish them."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class CaseImages:
    """The images of a case from which the pictures of a page are drawn.

    Attributes
    ----------
    image : Volume
        `(C, D, H, W)`; the first channel is shown.
    labels, error : Volume
        `(1, D, H, W)` on the grid of `image`: the mask and the default map.
    colors : mapping of int to (int, int, int)
        Red, green, blue of labels; the others get the colors of a palette.
    window : tuple of float or None
        Image values shown black and white; None for percentiles .5 and 99.5 of what is shown.
    """

    image: Volume
    labels: Volume
    error: Volume
    colors: Colors = field(default_factory=dict)
    window: tuple[float, float] | None = None


def write_html_report(
    report: Mapping[str, Any],
    path: str | os.PathLike,
    images: CaseImages,
    audit: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write `html_report` as UTF-8, whole or not at all; same arguments.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    # A file name that is not valid UTF-8 holds lone surrogates.
    page = html_report(report, images, audit).encode("utf-8", errors="backslashreplace")
    write_atomically(path, page)


def html_report(
    report: Mapping[str, Any], images: CaseImages, audit: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Make the page.

    Parameters
    ----------
    report : mapping
        From `report_json` or `report.json`.
    images : CaseImages
        For the pictures.
    audit : sequence of mapping, optional
        Entries of the audit log: names of fields to values.

    Returns
    -------
    str
        An HTML document without any external reference.
    """
    colors = {
        row["label"]: images.colors.get(row["label"], OTHER_COLORS[number % len(OTHER_COLORS)])
        for number, row in enumerate(report["structures"])
    }
    oriented = Oriented.of(images.image, images.labels, images.error)
    sections = [
        _header(report),
        _warnings(report),
        _structures(report, colors),
        _overview(report, oriented, colors, images.window),
        _regions(report, oriented, colors, images.window),
        _audit(audit),
        _calibration(report),
        _provenance(report),
    ]
    title = escape(f"TrustSeg report: {image_title(report['image'])}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, sections))
        + "\n"
        f"<footer>{escape(report['intended_use'].capitalize())}. Not for diagnosis or treatment.</footer>\n"
        "</body></html>\n"
    )


def _header(report: Mapping[str, Any]) -> str:
    model = report["model"]
    trust = calibration_title(report["calibration"])
    if _uses_calibration(report) and any(UNLIKE in warning for warning in report["case"]["warnings"]):
        trust += ", but <b>not for images like this one</b>"
    quality = report["case"]["quality"]
    missing = any(row["expected_dsc"] is None for row in report["structures"])
    worst = "the worst structure that has one" if missing else "the worst structure"
    expected = "" if quality is None else f" · expected DSC of {worst} <b>{quality:.2f}</b>"
    return (
        f'<header><span class="use">{escape(report["intended_use"])}</span>'
        f"<h1>{escape(image_title(report['image']))}</h1>"
        f"<p>Segmented by {escape(model['name'])} {escape(model['version'])} · {trust}{expected}</p></header>"
    )


def _uses_calibration(report: Mapping[str, Any]) -> bool:
    return "not calibrated" not in calibration_title(report["calibration"])


def _warnings(report: Mapping[str, Any]) -> str:
    not_calibrated = calibration_sentence(report["calibration"])
    warnings = [*([not_calibrated] if not_calibrated else []), *report["case"]["warnings"]]
    warnings += [f"{row['name']}: {row['flag']}" for row in report["structures"] if row["flag"]]
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings"><ul>{items}</ul></section>'


def _structures(report: Mapping[str, Any], colors: Colors) -> str:
    sides = report.get("sides")
    total = "" if sides is None else f"<p>{escape(sides_sentence(sides))}</p>"
    return f"<section><h2>Structures</h2>{structure_table(report, colors)}{total}</section>"


def _overview(
    report: Mapping[str, Any], oriented: Oriented, colors: Colors, window: tuple[float, float] | None
) -> str:
    names = {row["label"]: row["name"] for row in report["structures"]}
    empty = "" if oriented.mask.any() else "<p>No structure was found.</p>"
    calibrated = is_map_calibrated(report["calibration"])
    pictures = overview(oriented, colors, window) + legend(names, colors, calibrated)
    return f"<section><h2>Overview</h2>{empty}{pictures}</section>"


def _regions(
    report: Mapping[str, Any], oriented: Oriented, colors: Colors, window: tuple[float, float] | None
) -> str:
    regions = sorted(report["regions"], key=lambda region: region["rank"])
    if not regions:
        return (
            "<section><h2>Places to look at</h2><p>No place stands out from the uncertainty that every "
            "boundary has. This does not mean that the result is correct.</p></section>"
        )
    calibrated = is_map_calibrated(report["calibration"])
    figures = "".join(
        f'<div class="region"><h3>{_region_title(region, calibrated)}</h3>'
        f"{region_figure(oriented, region, colors, window)}</div>"
        for region in regions[:MOST_PICTURED]
    )
    order = "By how much they could change the result" if calibrated else "By their raw uncertainty"
    note = f'<p class="dim">{order}; a thin rim counts less than a blob.</p>'
    return f"<section><h2>Places to look at</h2>{note}{region_table(regions, calibrated)}{figures}</section>"


def _region_title(region: Mapping[str, Any], calibrated: bool) -> str:
    peak = (
        f"error probability up to {percent(region['peak'])}"
        if calibrated
        else f"raw uncertainty up to {number(region['peak'])}"
    )
    return escape(
        f"{region['rank']}. {structure_names(region)}, {position_text(region['position_ras_mm'])} mm, {peak}"
    )


def _audit(entries: Sequence[Mapping[str, Any]]) -> str:
    return f"<section><h2>Review</h2>{audit_table(entries)}</section>" if entries else ""


def _calibration(report: Mapping[str, Any]) -> str:
    calibration = report["calibration"]
    missing = calibration_sentence(calibration)
    raw = "" if is_map_calibrated(calibration) else " The map is the raw output of the network."
    text = f"<p>{escape(missing)}{raw}</p>" if missing else ""
    if calibration is not None:
        text += calibration_text(calibration, {row["label"]: row["name"] for row in report["structures"]})
    return f"<section><h2>Calibration</h2>{text}</section>"


def _provenance(report: Mapping[str, Any]) -> str:
    model = report["model"]
    facts = {
        "image": report["image"],
        "model": f"{model['name']} {model['version']}",
        "SHA-256 of the model": model["sha256"],
        **report["provenance"],
    }
    return f"<section><h2>Provenance</h2>{definitions(facts)}</section>"


def image_title(image: str) -> str:
    """Name of a file; for the folder of a DICOM series also the two folders above.

    A series is named after what was scanned ("T1"), the folders above after the study and the patient:
    without them the reports of many patients would have the same title.

    Parameters
    ----------
    image : str
        Path of any operating system.
    """
    parts = [part for part in image.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts:
        return image
    is_file = parts[-1].lower().endswith(tuple(ITK_READERS))
    return parts[-1] if is_file else "/".join(parts[-3:])


STYLE = """
@page { size: A4; margin: 14mm 14mm 16mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 8mm; max-width: 198mm; background: #fff; color: #1b1d21;
  font: 10.5pt/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
header { border-bottom: .5mm solid #1b1d21; padding-bottom: 3mm; }
.use { display: inline-block; background: #8a1c1c; color: #fff; padding: .6mm 3mm; font-weight: 700;
  letter-spacing: .06em; text-transform: uppercase; font-size: 9pt; }
h1 { font-size: 17pt; margin: 2mm 0 1mm; overflow-wrap: anywhere; }
h2 { font-size: 12.5pt; margin: 7mm 0 2mm; break-after: avoid; }
h3 { font-size: 10.5pt; margin: 4mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; }
.dim { color: #5a5f69; }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt; }
th { text-align: left; font-weight: 600; border-bottom: .3mm solid #1b1d21; vertical-align: bottom; }
td { border-bottom: .15mm solid #c9ccd2; vertical-align: top; overflow-wrap: anywhere; }
th, td { padding: 1mm 2mm 1mm 0; }
tr { break-inside: avoid; }
.numbers td { font-variant-numeric: tabular-nums; }
.structures td:nth-child(n+2):nth-child(-n+5), .regions td:nth-child(n+3) { white-space: nowrap; }
.swatch, .key i { display: inline-block; width: 3.2mm; height: 3.2mm; margin-right: 1.5mm;
  vertical-align: -.4mm; }
.key .bar { width: 28mm; margin: 0 1mm; }
.flag { color: #8a1c1c; font-weight: 600; }
.warnings { border-left: 1.2mm solid #c77700; background: #fff6e6; padding: 2mm 3mm; margin: 4mm 0; }
.warnings ul { margin: 0; padding-left: 5mm; }
.figure, .region { break-inside: avoid; }
.row { display: flex; gap: 1.5mm; align-items: flex-end; margin: 1.5mm 0; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; background: #000; }
figure text { fill: #fff; stroke: #000; stroke-width: .12em; paint-order: stroke; font-family: inherit;
  font-weight: 600; }
figcaption { font-size: 8.5pt; color: #5a5f69; }
.legend { display: flex; flex-wrap: wrap; gap: 1mm 6mm; font-size: 8.5pt; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .5mm 5mm; font-size: 9pt; margin: 1mm 0; }
dt { color: #5a5f69; }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 8mm; border-top: .15mm solid #c9ccd2; padding-top: 2mm; font-size: 8.5pt;
  color: #5a5f69; }
@media print { body { padding: 0; max-width: none; } }
"""
