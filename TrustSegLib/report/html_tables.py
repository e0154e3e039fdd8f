"""The tables and lists of `report.html`, from the fields of `report.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from TrustSegLib.contract import is_map_calibrated, is_structure_calibrated
from TrustSegLib.report.html_figures import Colors, css_color

NOT_CALIBRATED = "not calibrated"
LEFT_OUT = "left out"
NONE = "\N{EN DASH}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Make a table of cells that are HTML; headings are escaped here."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def structure_table(report: Mapping[str, Any], colors: Colors) -> str:
    """One row per structure: volume, interval, expected DSC, mean uncertainty, flag."""
    headings = (
        "Structure",
        "Volume (ml)",
        f"{interval_level(report):.0%} interval (ml)".replace("%", " %"),
        "Expected DSC",
        "Mean uncertainty" if is_map_calibrated(report["calibration"]) else "Mean uncertainty (raw)",
        "Flag",
    )
    rows = [_structure_row(row, colors, report["calibration"]) for row in report["structures"]]
    return table(headings, rows, "numbers structures")


def interval_level(report: Mapping[str, Any]) -> float:
    """Return the nominal coverage of the volume intervals; .9 where none is calibrated."""
    volumes = (report["calibration"] or {}).get("volumes") or []
    return volumes[0]["level"] if volumes else 0.9


def region_table(regions: Sequence[Mapping[str, Any]], calibrated: bool) -> str:
    """One row per region, by rank; how much of it is wrong can be expected only of a calibrated map."""
    wrong = ("Expected wrong (ml)", "Peak", "Mean") if calibrated else ("Peak (raw)", "Mean (raw)")
    headings = ("", "Structures", "Position, RAS (mm)", "Size (ml)", *wrong)
    return table(headings, [_region_row(region, calibrated) for region in regions], "numbers regions")


def position_text(position: Sequence[float]) -> str:
    """Format a position in RAS mm as a radiologist does: "R 24.0, A 3.5, I 12.0"."""
    letters = (("R", "L"), ("A", "P"), ("S", "I"))
    return ", ".join(
        f"{positive if value >= 0 else negative}\N{NO-BREAK SPACE}{abs(value):.1f}"
        for value, (positive, negative) in zip(position, letters, strict=True)
    )


def structure_names(region: Mapping[str, Any]) -> str:
    """Names of the structures of a region, not escaped."""
    return ", ".join(map(str, region["structures"])) or "none nearby"


def definitions(value: Mapping[str, Any]) -> str:
    """List names and values, nested mappings included."""
    entries = "".join(
        f"<dt>{escape(label(name))}</dt><dd>{_value(item)}</dd>" for name, item in value.items()
    )
    return f"<dl>{entries}</dl>"


def audit_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """One row per entry of the audit log; a column for every field that any entry has."""
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    rows = [[_value(entry.get(name)) for name in names] for entry in entries]
    return table([label(name) for name in names], rows, "audit")


def calibration_text(calibration: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """Describe the calibration and its cross-validated figures as HTML; `names` by label."""
    parts = [definitions(calibration.get("record") or {})]
    curve = calibration.get("error_probability") or {}
    if curve.get("ece_after") is not None:
        kind = f", {escape(str(curve['curve']))} curve" if "curve" in curve else ""
        ece = percent(curve["ece_after"])
        parts.append(
            f"<p>Expected calibration error of the error probability near the structures: {ece}{kind}</p>"
        )
    for name, title in (("volumes", "Volume intervals"), ("quality", "Expected DSC")):
        rows = calibration.get(name) or []
        if rows:
            fields = list(dict.fromkeys(field for row in rows for field in row))
            cells = [[_calibrated(field, row.get(field), names) for field in fields] for row in rows]
            headings = ["structure" if field == "label" else label(field) for field in fields]
            parts.append(f"<h3>{title}</h3>" + table(headings, cells, "numbers"))
    return "".join(parts)


def _calibrated(field: str, value: Any, names: Mapping[int, str]) -> str:
    """Format a figure: structures by name, shares in percent."""
    if field == "label":
        return escape(names.get(value, str(value)))
    return percent(value) if field in ("level", "coverage") else _value(value)


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals; a dash for None."""
    return NONE if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Format a probability in percent; a dash for None."""
    return NONE if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def label(name: str) -> str:
    """Name of a field in words."""
    return name.replace("_", " ")


def _structure_row(
    row: Mapping[str, Any], colors: Colors, calibration: Mapping[str, Any] | None
) -> list[str]:
    swatch = f'<i class="swatch" style="background:{css_color(colors[row["label"]])}"></i>'
    flag = f'<span class="flag">{escape(row["flag"])}</span>' if row["flag"] else NONE
    return [
        swatch + escape(row["name"]),
        number(row["volume_ml"]),
        _interval(row["volume_interval_ml"]) or _without(row, "volumes", calibration),
        _expected(row) or _without(row, "quality", calibration),
        _uncertainty(row["mean_uncertainty"], is_map_calibrated(calibration)),
        flag,
    ]


def _expected(row: Mapping[str, Any]) -> str:
    if row["expected_dsc"] is None:
        return ""
    interval = _interval(row.get("expected_dsc_interval"))
    return number(row["expected_dsc"]) + (f" ({interval})" if interval else "")


def _without(row: Mapping[str, Any], part: str, calibration: Mapping[str, Any] | None) -> str:
    """A figure may also be missing for this image only, such as where a part of it was segmented."""
    return LEFT_OUT if is_structure_calibrated(calibration, part, row["label"]) else NOT_CALIBRATED


def _uncertainty(value: float | None, calibrated: bool) -> str:
    """Format a value of the default map: in percent only if it is a probability."""
    return percent(value) if calibrated else number(value, 3)


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f}\N{EN DASH}{interval[1]:.2f}"


def _region_row(region: Mapping[str, Any], calibrated: bool) -> list[str]:
    wrong = [number(region.get("expected_wrong_ml"), 3)] if calibrated else []
    return [
        f"<b>{int(region['rank'])}</b>",
        escape(structure_names(region)),
        escape(position_text(region["position_ras_mm"])),
        number(region["volume_ml"], 3),
        *wrong,
        _uncertainty(region["peak"], calibrated),
        _uncertainty(region["mean"], calibrated),
    ]


def _value(value: Any) -> str:
    """Format any JSON value as HTML."""
    if value is None or value == "":
        return NONE
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(label(name))} {_value(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item) for item in value)
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
