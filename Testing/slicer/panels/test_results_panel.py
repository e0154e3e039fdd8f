"""The numbers in the panel are those of the report."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer")
import slicer
from module_pictures import PANEL_WIDTH
from panel_runs import PANEL
from review_runs import INTERVAL, QUALITY, cells
from review_samples import FLAG, calibrated_result, erase
from scene_samples import MODEL, sample_result

UNCERTAINTY, WRONG, PEAK = 2, 1, 2
"""Columns of the structures, and of the regions."""
MARGINS = 24
"""The square in the structure's color, and what Qt leaves free around a text, in pixels."""


def test_table_shows_the_numbers_of_the_report(opened):
    table = opened.ui.resultsTable
    first, second = cells(table)
    assert first[INTERVAL:] == ["1.38–\n1.70", "0.87\n0.80–0.91"]  # noqa: RUF001
    assert second[QUALITY] == "0.62\n0.41–0.78"  # noqa: RUF001
    assert table.item(1, QUALITY).toolTip() == FLAG
    assert table.item(0, QUALITY).icon().isNull()
    assert not table.item(1, QUALITY).icon().isNull()
    assert f"Check Posterior hippocampus: {FLAG}" in opened.ui.cautionLabel.text
    record = opened.ui.calibrationLabel.text
    assert record.startswith("Calibrated on 40 patients (240 images). 90 % intervals held")
    assert "88–91 %" in record  # noqa: RUF001
    assert table.horizontalHeaderItem(INTERVAL).text() == "90 %\ninterval"


def test_result_without_calibration_shows_no_interval(image, shared_worker, dialogs):
    from qt_stand_ins.panel import open_panel

    from TrustSegModule.results.nodes import put_result

    put_result(slicer.mrmlScene, image, sample_result(), MODEL)
    with open_panel(PANEL) as panel:
        table = panel.ui.resultsTable
        assert cells(table)[0][INTERVAL] == "not\ncalibrated"
        assert table.isColumnHidden(QUALITY)
        assert panel.ui.calibrationLabel.isHidden()
        assert "Not calibrated" in panel.ui.cautionLabel.text


def test_parts_that_are_not_calibrated_are_named_and_nothing_raw_is_in_percent(image, shared_worker, dialogs):
    """The map and the interval of the second structure failed on patients left out."""
    from qt_stand_ins.panel import open_panel

    from TrustSegModule.results.nodes import put_result

    answer = calibrated_result(image)
    second, calibration = answer.report["structures"][1], dict(answer.report["calibration"])
    second["volume_interval_ml"] = None
    reasons = (
        ("error_probability", None, "ECE 23.6 % on patients left out"),
        ("volumes", 2, "covers 71 % on patients left out"),
    )
    calibration["error_probability"] = None
    calibration["volumes"] = calibration["volumes"][:1]
    calibration["not_calibrated"] = [
        {"part": part, "label": label, "structure": label and second["name"], "reason": reason}
        for part, label, reason in reasons
    ]
    answer.report["calibration"] = calibration
    put_result(slicer.mrmlScene, image, answer, MODEL)
    with open_panel(PANEL) as panel:
        table, regions = panel.ui.resultsTable, panel.ui.regionTable
        caution, record = panel.ui.cautionLabel.text, panel.ui.calibrationLabel.text
        assert "Not calibrated: the error map (ECE 23.6 % on patients left out) and the vol" in caution
        assert "of Posterior hippocampus (covers 71 % on patients left out)." in caution
        assert "Error probability" not in record
        assert "Expected DSC was off by" in record
        assert [row[INTERVAL] for row in cells(table)] == ["1.38–\n1.70", "not\ncalibrated"]  # noqa: RUF001
        assert table.horizontalHeaderItem(UNCERTAINTY).text() == "Uncert.\n(raw)"
        assert "no probability" in table.horizontalHeaderItem(UNCERTAINTY).toolTip()
        assert cells(table)[0][UNCERTAINTY] == f"{answer.report['structures'][0]['mean_uncertainty']:.3f}"
        assert regions.isColumnHidden(WRONG)
        assert regions.horizontalHeaderItem(PEAK).text() == "Peak\n(raw)"
        assert cells(regions)[0][PEAK] == f"{answer.report['regions'][0]['peak']:.2f}"
        assert panel.ui.thresholdSlider.suffix.strip() == ""
        assert panel.ui.thresholdSlider.value == pytest.approx(0.05)


def test_interval_that_was_left_out_is_told_from_one_that_is_not_calibrated(opened):
    report, colors = opened.panel.widget.logic.reportAndColors(opened.nodes)
    rows = [{**row, "volume_interval_ml": None} for row in report["structures"]]
    volumes = [{"label": row["label"], "level": 0.9, "coverage": 0.9, "cases": 40} for row in rows]
    calibration = {**report["calibration"], "volumes": volumes}
    cut_off = {**report, "structures": rows, "calibration": calibration}
    opened.panel.widget.resultsPanel.show(cut_off, colors)
    assert [row[INTERVAL] for row in cells(opened.ui.resultsTable)] == ["left out", "left out"]


@pytest.mark.parametrize("edited", [False, True])
def test_column_fits_the_names_of_the_structures(opened, edited):
    if edited:
        erase(opened.nodes.segmentation, "Segment_1")
        opened.panel.widget.reviewPanel.look_for_edits()
    opened.panel.grab(width=PANEL_WIDTH)
    table = opened.ui.resultsTable
    width = table.fontMetrics().horizontalAdvance
    longest = max(width(word) for row in cells(table) for word in row[0].split())
    assert table.columnWidth(0) > longest + MARGINS


def test_position_has_the_letters_of_the_data_probe(slicer_application):
    from TrustSegModule.panels.text import position

    assert position((-3.4, -20, -7)) == "L 3, P 20, I 7"
