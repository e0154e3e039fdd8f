"""A rerun of a batch: which cases are kept, and what makes one be segmented again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from TrustSegLib.cases.unchanged import Wanted, image_sha256
from TrustSegLib.inference import Roi, SegmentOptions
from TrustSegLib.version import __version__

SHA = "a" * 64


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"voxels")
    return path


def wanted(**changes: Any) -> Wanted:
    usual = {"models": {"m": SHA}, "is_chosen": False, "options": SegmentOptions(), "seed": 0}
    return Wanted(**{**usual, "more_files": {}, **changes})


def result_of(image: Path, folder: Path, **provenance: Any) -> Path:
    """The files of a result, as far as they are looked at."""
    folder.mkdir()
    report = {
        "schema": "trustseg-report/1",
        "model": {"name": "m", "version": "1.0.0", "sha256": SHA},
        "files": {"mask": "mask.nii.gz", "report": "report.json"},
        "maps": [{"name": "error_probability", "file": "uncertainty.nii.gz"}],
        "provenance": {
            "versions": {"trustseg": __version__},
            "overlap": 0.5,
            "precision": "float32",
            "roi": None,
            "seed": 0,
            "image_sha256": image_sha256(image),
            **provenance,
        },
    }
    (folder / "report.json").write_text(json.dumps(report))
    for name in ("mask.nii.gz", "uncertainty.nii.gz"):
        (folder / name).write_bytes(b"")
    return folder


def test_same_image_model_and_options_are_done(image, tmp_path):
    folder = result_of(image, tmp_path / "out")
    assert wanted().done(image, folder)["model"]["name"] == "m"


@pytest.mark.parametrize(
    "changes",
    [
        {"models": {"m": "b" * 64}},
        {"models": {"n": SHA}},
        {"options": SegmentOptions(overlap=0.25)},
        {"options": SegmentOptions(maps=("error_probability", "entropy"))},
        {"options": SegmentOptions(roi=Roi((0, 1, 0, 1, 0, 1)))},
        {"options": SegmentOptions(precision="bfloat16")},
        {"seed": 1},
        {"more_files": {"dicom_segmentation": "segmentation.dcm"}},
    ],
    ids=["changed model", "other model", "overlap", "maps", "roi", "precision", "seed", "files"],
)
def test_anything_that_changes_a_result_is_done_again(image, tmp_path, changes):
    assert wanted(**changes).done(image, result_of(image, tmp_path / "out")) is None


def test_device_and_batch_size_do_not_matter(image, tmp_path):
    options = SegmentOptions(device="cpu", batch_size=1)
    assert wanted(options=options).done(image, result_of(image, tmp_path / "out"))


def test_changed_image_is_done_again(image, tmp_path):
    folder = result_of(image, tmp_path / "out")
    image.write_bytes(b"others")
    assert wanted().done(image, folder) is None


def test_result_of_another_version_is_done_again(image, tmp_path):
    folder = result_of(image, tmp_path / "out", versions={"trustseg": "0.0.1"})
    assert wanted().done(image, folder) is None


def test_missing_file_is_done_again(image, tmp_path):
    folder = result_of(image, tmp_path / "out")
    (folder / "uncertainty.nii.gz").unlink()
    assert wanted().done(image, folder) is None


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema": "trustseg-report/2"}', '{"schema": "trustseg-report/1"}']
)
def test_unknown_report_is_done_again(image, tmp_path, content):
    folder = result_of(image, tmp_path / "out")
    (folder / "report.json").write_text(content)
    assert wanted().done(image, folder) is None


def test_chosen_model_is_chosen_again_when_there_are_others_to_choose_from(image, tmp_path):
    folder = result_of(image, tmp_path / "out", choice={"reason": "", "others": {"n": "is for CT"}})
    both = {"m": SHA, "n": "c" * 64}
    assert wanted(models=both, is_chosen=True).done(image, folder)
    assert wanted(models={**both, "new": SHA}, is_chosen=True).done(image, folder) is None
    assert wanted(models={"m": SHA}, is_chosen=True).done(image, folder) is None


def test_folder_has_another_sum_when_a_file_is_renamed_or_changed(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    (series / "1").write_bytes(b"a")
    first = image_sha256(series)
    (series / "1").rename(series / "2")
    second = image_sha256(series)
    (series / "2").write_bytes(b"b")
    assert len({first, second, image_sha256(series)}) == 3


def test_header_with_its_voxels_elsewhere_is_always_done_again(tmp_path):
    header = tmp_path / "scan.mhd"
    header.write_bytes(b"header")
    assert image_sha256(header) is None
    assert wanted().done(header, result_of(header, tmp_path / "out")) is None


def test_image_that_is_gone_counts_as_changed(image, tmp_path):
    folder = result_of(image, tmp_path / "out")
    image.unlink()
    assert image_sha256(image) is None
    assert wanted().done(image, folder) is None
