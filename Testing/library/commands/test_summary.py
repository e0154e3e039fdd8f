"""The summary that `trustseg segment` prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hand_made_results import hand_made_labels, hand_made_result, hand_made_volume

from TrustSegLib.commands.summary import print_summary
from TrustSegLib.contract import NEVER_CALIBRATED
from TrustSegLib.inference import SegmentationResult

CALIBRATION = {
    "record": {"data": "Task04", "patients": 40, "conditions": ["clean"], "cases": 80, "folds": 5},
    "error_probability": {"ece_after": 0.01},
    "volumes": [{"label": 1, "level": 0.9, "coverage": 0.91, "cases": 80}],
    "quality": [{"label": 1, "coverage": 0.9, "mean_absolute_error": 0.03, "cases": 80}],
    "not_calibrated": [
        {"part": part, "label": 2, "structure": "Back", "reason": reason}
        for part, reason in (("volumes", "covers 71 % on patients left out"), ("quality", "not fitted"))
    ],
}


@pytest.fixture
def result() -> SegmentationResult:
    volume = hand_made_volume()
    return hand_made_result(volume, hand_made_labels(volume.shape))


def lines(result: SegmentationResult, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_summary(result, Path("scan.nii.gz"), Path("out"))
    return capsys.readouterr().out.splitlines()


def test_table_has_the_calibrated_figures_and_their_record(result, capsys) -> None:
    rows = list(result.structures)
    rows[0] = dataclasses.replace(
        rows[0],
        volume_interval_ml=(0.3, 0.415),
        expected_dsc=0.62,
        expected_dsc_interval=(0.41, 0.78),
        flag="expected DSC 0.62 (0.41-0.78), below 0.8: likely to fail",
    )
    text = lines(dataclasses.replace(result, structures=tuple(rows), calibration=CALIBRATION), capsys)
    assert text[1].split("  ")[-1] == "expected DSC"
    assert text[2].split() == ["Front", "0.36", "0.30-0.41", "30.0", "0.62", "(0.41-0.78)"]
    assert text[3].split() == ["Back", "0.36", "-", "30.0", "-"]
    assert "  Front: expected DSC 0.62 (0.41-0.78), below 0.8: likely to fail" in text
    assert "uncertainty calibrated in part, on 40 patients, 80 images" in text[-2]
    assert "the 90 % interval held 91 % of 80 volumes of Front" in text[-2]
    assert text[-1] == (
        "  Not calibrated: the volume interval of Back (covers 71 % on patients left out) and the expected "
        "DSC of Back (not fitted)."
    )


def test_table_without_a_calibration_has_raw_figures_only(result, capsys) -> None:
    text = lines(result, capsys)
    assert text[1].endswith("mean uncertainty (raw)")
    assert text[2].split() == ["Front", "0.36", "0.300"]
    assert text[-2].endswith("uncertainty not calibrated")
    assert text[-1] == f"  {NEVER_CALIBRATED}"
    assert not any("DSC" in line or "interval" in line for line in text)
