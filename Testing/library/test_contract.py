"""What library, worker, module and training agree on is the same everywhere that it is used."""

from __future__ import annotations

import ast
import base64
import re
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from source_tree import ROOT

from TrustSegLib import contract
from TrustSegLib.contract import (
    COLOR_ANCHORS,
    COLOR_COUNT,
    DEFAULT_MAP,
    HIDDEN_SHARE,
    MAP_NAMES,
    NEVER_CALIBRATED,
    OPACITY,
    REPORT_SCHEMA,
    CaseRow,
    calibration_sentence,
    calibration_title,
    map_colors,
    map_display,
    map_title,
    map_unit,
    schema_prefix,
)
from TrustSegLib.imaging import Volume
from TrustSegLib.report.html_figures import overview
from TrustSegLib.report.scale import color_values, colorbar_colors, css_gradient, uncertainty_colormap
from TrustSegLib.report.scene import Oriented

SLICER_TABLE = ROOT / "TrustSeg" / "Resources" / "ColorTables" / "Inferno.txt"
PERCENT = {0: 0, 25: 128, 50: 255}
"""Error probability in percent, and the number of its color."""


def html_pixels(error: float, folder) -> np.ndarray:
    """Colors of the uncertainty in a picture of `report.html`, of a black image with one error everywhere."""
    lps = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    black = Volume(np.zeros((1, 4, 4, 4), dtype=np.float32), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), lps)
    mask = black.with_array(np.ones((1, 4, 4, 4), dtype=np.uint8))
    flat = black.with_array(np.full((1, 4, 4, 4), error, dtype=np.float32))
    page = overview(Oriented.of(black, mask, flat), {1: (255, 0, 0)}, (0.0, 1.0))
    pictures = re.findall(r"base64,([^\"]+)\"", page)  # Three planes of the mask, then three of the map.
    (folder / "plane.png").write_bytes(base64.b64decode(pictures[3]))
    return np.round(imread(folder / "plane.png")[..., :3] * 255)


@pytest.mark.parametrize(("percent", "number"), PERCENT.items())
def test_pictures_pages_and_slicer_have_the_same_colors(percent, number, tmp_path):
    display = map_display(DEFAULT_MAP, classes=3)
    slicer = np.loadtxt(SLICER_TABLE, usecols=(2, 3, 4))
    png = color_values(np.array([percent / 100]), display)[0, :3] * 255
    legend = colorbar_colors(display).to_rgba(float(percent))[:3]
    assert tuple(slicer[number]) == map_colors()[number]
    np.testing.assert_allclose(png, slicer[number])
    np.testing.assert_allclose(np.array(legend) * 255, slicer[number])
    # Over a black image nothing but the opacity changes them; below 5 % the image is seen.
    shown = slicer[number] * (OPACITY if percent else 0)
    np.testing.assert_allclose(
        html_pixels(percent / 100, tmp_path), np.round(shown)[None, None] * np.ones((4, 4, 3))
    )


def test_color_map_and_gradient_hold_the_colors_of_the_ramp():
    np.testing.assert_allclose(uncertainty_colormap()(np.arange(COLOR_COUNT))[:, :3] * 255, map_colors())
    found = re.findall(r"rgb\((\d+) (\d+) (\d+)\)", css_gradient())
    assert [tuple(map(int, color)) for color in found] == list(COLOR_ANCHORS)
    # A gradient has its colors at equal distances, as the table has.
    places = np.linspace(0, COLOR_COUNT - 1, len(COLOR_ANCHORS)).round().astype(int)
    assert [map_colors()[place] for place in places] == list(COLOR_ANCHORS)


def test_ramp_is_close_to_inferno_and_rises_in_luminance():
    from matplotlib import colormaps

    inferno = 255 * colormaps["inferno"](np.linspace(0.22, 1, COLOR_COUNT))[:, :3]
    assert np.abs(np.array(map_colors()) - inferno).max() < 5
    assert (np.diff(np.array(map_colors()) @ (0.2126, 0.7152, 0.0722)) >= 0).all()
    assert len(map_colors()) == COLOR_COUNT


@pytest.mark.parametrize("name", MAP_NAMES)
def test_lowest_tenth_of_the_scale_is_hidden(name):
    display = map_display(name, classes=3)
    values = np.array([0.0, 0.0999, 0.1001, 1.0, np.nan]) * display.high
    assert color_values(values, display)[:, 3].tolist() == [0, 0, OPACITY, OPACITY, 0]
    assert display.hidden_below == pytest.approx(HIDDEN_SHARE * display.high)
    assert map_display(DEFAULT_MAP, classes=3).hidden_below == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("name", "classes", "open_end"), [(DEFAULT_MAP, 2, False), (DEFAULT_MAP, 3, True), ("entropy", 3, False)]
)
def test_scale_is_open_where_values_can_be_higher(name, classes, open_end):
    assert map_display(name, classes).open_end is open_end


def test_error_probability_is_shown_in_percent_and_the_others_in_their_unit():
    shown = {name: map_display(name, classes=2) for name in MAP_NAMES}
    assert {name: (each.factor, each.unit) for name, each in shown.items() if each.factor != 1} == {
        DEFAULT_MAP: (100, "%")
    }
    assert len({map_title(name) for name in MAP_NAMES}) == len(MAP_NAMES)
    units = [map_unit(name) for name in MAP_NAMES]
    assert units == [
        "probability that the label is wrong",
        "probability²",
        "nat",
        "probability²",
        "probability²",
    ]
    assert [each.unit for each in shown.values()] == ["%", *units[1:]]


def test_map_that_is_not_calibrated_has_the_colors_but_no_percent():
    raw, shown = (map_display(DEFAULT_MAP, 3, calibrated=known) for known in (False, True))
    assert (raw.low, raw.high, raw.largest) == (shown.low, shown.high, shown.largest)
    assert (raw.factor, raw.unit, raw.heading) == (1, "", "Uncertainty, raw (not calibrated)")
    assert (raw.text(0.5, ".2g"), shown.text(0.5, ".2g")) == ("0.5", "50 %")
    assert map_unit(DEFAULT_MAP, calibrated=False) == "raw, not calibrated"
    assert map_display("entropy", 3, calibrated=False) == map_display("entropy", 3)


def entry(part, structure, reason="not fitted"):
    label = None if structure is None else ord(structure)
    return {"part": part, "label": label, "structure": structure, "reason": reason}


ALL_PARTS = {"error_probability": {"ece_after": 0.01}, "volumes": [{"label": 1}], "quality": [{"label": 1}]}


@pytest.mark.parametrize(
    ("calibration", "title", "sentence"),
    [
        (None, "uncertainty not calibrated", NEVER_CALIBRATED),
        ({**ALL_PARTS, "not_calibrated": []}, "uncertainty calibrated", ""),
        (ALL_PARTS, "uncertainty calibrated", ""),
        (
            {"error_probability": None, "not_calibrated": [entry("error_probability", None, "ECE 23.6 %")]},
            "uncertainty not calibrated",
            "Not calibrated: the error map (ECE 23.6 %).",
        ),
        (
            {**ALL_PARTS, "not_calibrated": [entry("volumes", "A", "covers 71 %")]},
            "uncertainty calibrated in part",
            "Not calibrated: the volume interval of A (covers 71 %).",
        ),
        (
            {
                **ALL_PARTS,
                "not_calibrated": [
                    *(entry("volumes", name) for name in "ABCDE"),
                    entry("volumes", "F", "covers 71 %"),
                    *(entry("quality", name) for name in "AB"),
                ],
            },
            "uncertainty calibrated in part",
            "Not calibrated: the volume intervals of A, B and 3 others (not fitted), the volume interval of "
            "F (covers 71 %) and the expected DSC of A and B (not fitted).",
        ),
        (
            {"error_probability": {"ece_after": 0.01}, "volumes": [], "quality": []},
            "uncertainty calibrated in part",
            "Not calibrated: the volume interval of any structure (not fitted) and the expected DSC of any "
            "structure (not fitted).",
        ),
    ],
)
def test_what_is_not_calibrated_is_said_in_one_sentence(calibration, title, sentence):
    assert calibration_title(calibration) == title
    assert calibration_sentence(calibration) == sentence


def test_display_needs_two_classes():
    with pytest.raises(ValueError, match="at least 2"):
        map_display("entropy", 1)


def test_case_row_of_a_later_version_is_read():
    row = {"image": "a.nii", "flags": ["Front: empty"], "regions": 2, "field_of_the_future": 1}
    assert CaseRow.from_json(row) == CaseRow("a.nii", flags=("Front: empty",), regions=2)


def test_schema_prefix_is_that_of_every_version():
    assert "trustseg-report/2".startswith(schema_prefix(REPORT_SCHEMA))
    assert not "trustseg-reports/1".startswith(schema_prefix(REPORT_SCHEMA))


def test_contract_needs_the_standard_library_only():
    tree = ast.parse((ROOT / "TrustSegLib" / "contract.py").read_text("utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names, contract.__name__
