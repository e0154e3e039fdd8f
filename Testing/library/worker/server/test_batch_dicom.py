"""DICOM series in the worker: planned, segmented, and read again as cases of a batch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from batch_samples import make_export, voxels
from dicom_samples import write_series
from source_tree import ROOT
from worker_processes import until

from TrustSegLib.imaging import read_volume
from TrustSegLib.worker import Failed, Finished, PlanBatch, ReadCase, SegmentFile, Worker, WriteTables
from TrustSegLib.worker.server.batch import plan_batch

MODEL = ROOT / "TrustSegLib" / "models" / "hippocampus-t1"
FILES = ["mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"]
NAMES = ["p1_2024_T1", "p2_2024_scout", "p2_2024_T1"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Series of two patients, of which one is no image."""
    return make_export(tmp_path_factory.mktemp("batch é") / "export")


@pytest.fixture(scope="module")
def worker():
    with Worker() as worker:
        yield worker


def result_of(worker: Worker, request):
    worker.submit(request)
    return until(worker, Finished)[-1].result


def refusal(worker: Worker, request) -> str:
    worker.submit(request)
    failed = until(worker, Failed)[-1]
    assert failed.kind == "input"
    assert "\n" not in failed.message
    return failed.message


def segment_request(target: dict, output: Path) -> SegmentFile:
    return SegmentFile(
        Path(target["image"]), Path(target["folder"]), output / ".private" / "0", MODEL, device="cpu"
    )


def test_plan_lists_every_series_with_its_size(worker, export, tmp_path):
    targets = result_of(worker, PlanBatch(export, tmp_path / "results"))["targets"]
    assert sorted(Path(target["folder"]).name for target in targets) == sorted(NAMES)
    for target in targets:
        files = list(Path(target["image"]).iterdir())
        assert target["bytes"] == sum(file.stat().st_size for file in files) > 0
    assert not (tmp_path / "results").exists()


def test_series_is_segmented_and_read_again(worker, export, tmp_path):
    targets = result_of(worker, PlanBatch(export, tmp_path))["targets"]
    by_name = {Path(target["folder"]).name: target for target in targets}
    good, scout = by_name["p1_2024_T1"], by_name["p2_2024_scout"]
    assert result_of(worker, segment_request(good, tmp_path)) == {"notices": []}
    folder = Path(good["folder"])
    assert sorted(os.listdir(folder)) == FILES
    said = refusal(worker, segment_request(scout, tmp_path))
    assert said.startswith(f"{scout['image']}: a DICOM series of one slice")
    assert not Path(scout["folder"]).exists()

    cases = [(good["image"], good["folder"], None), (scout["image"], None, said)]
    rows = result_of(worker, WriteTables(tmp_path, cases))["cases"]
    assert [row["image"] for row in rows] == [scout["image"], good["image"]]
    assert rows[1]["quality"] is not None

    read = result_of(worker, ReadCase(Path(good["image"]), folder))
    image = read_volume(good["image"])
    np.testing.assert_array_equal(read.image, image.array)
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(getattr(read, name), getattr(image, name))
    np.testing.assert_array_equal(read.labels, voxels(folder / "mask.nii.gz"))
    assert read.labels.any()


def test_plan_refuses_the_slices_of_one_series(worker, export, tmp_path):
    said = refusal(worker, PlanBatch(export / "p1/2024/T1", tmp_path / "results"))
    assert said.endswith(
        "holds the slices of one image; load it and click Segment, or choose the folder above"
    )


def test_plan_refuses_results_among_the_slices(worker, export):
    study = export / "p1" / "2024"
    said = refusal(worker, PlanBatch(study, study))
    assert f"lies in the folder of the series {study / 'T1'}, which results" in said


def test_unreadable_folder_does_not_stop_the_plan(tmp_path):
    """The name that the link gives is too long for the system."""
    write_series(tmp_path / "export" / "p1", np.arange(60).reshape(3, 4, 5))
    (tmp_path / "export" / "p0").mkdir()
    (tmp_path / "export" / "p0" / "link").symlink_to("x" * 300)
    targets = plan_batch(tmp_path / "export", tmp_path / "results")
    sizes = {Path(target["folder"]).name: target["bytes"] for target in targets}
    assert sizes["p1"] > 0
    assert sizes["p0_link"] == 0


def test_plan_refuses_folders_without_images(worker, tmp_path):
    (tmp_path / "export" / "p1").mkdir(parents=True)
    said = refusal(worker, PlanBatch(tmp_path / "export", tmp_path / "results"))
    assert "holds no images" in said
    assert "no folders of DICOM images" in said


def test_image_files_take_precedence_over_series(worker, tmp_path):
    write_series(tmp_path / "export" / "p1", np.arange(60).reshape(3, 4, 5))
    (tmp_path / "export" / "a.nii.gz").write_text("x")
    targets = result_of(worker, PlanBatch(tmp_path / "export", tmp_path / "results"))["targets"]
    assert [Path(target["image"]).name for target in targets] == ["a.nii.gz"]
