"""Requests about files: the parts of a batch, and a case that is read again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from batch_samples import csv_rows, make_folder, voxels
from hand_made_bundles import without_locator
from source_tree import ROOT
from worker_processes import processes_that_name, until

from TrustSegLib.errors import UnexpectedError
from TrustSegLib.imaging import read_volume
from TrustSegLib.report import report_schema
from TrustSegLib.worker import (
    CaseResult,
    Failed,
    Finished,
    PlanBatch,
    Progressed,
    ReadCase,
    SegmentFile,
    Stopped,
    Worker,
    WriteTables,
)
from TrustSegLib.worker.server.batch import FilePlace
from TrustSegLib.worker.server.batch import segment_file as segment_image_file

MODEL = ROOT / "TrustSegLib" / "models" / "hippocampus-t1"
FILES = ["mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images, of which `b.nrrd` is broken."""
    return make_folder(tmp_path_factory.mktemp("batch é") / "images")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One process for all tests of this file."""
    temporary = tmp_path_factory.mktemp("temporary é 日本")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        with Worker() as worker:
            yield worker
    assert not list(temporary.iterdir())
    assert not processes_that_name(temporary)


@pytest.fixture(scope="module")
def case(worker: Worker, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the results of `a.nii.gz`."""
    output = tmp_path_factory.mktemp("results é")
    assert result_of(worker, segment_file(images / "a.nii.gz", output)) == {"notices": []}
    return output / "a"


def segment_file(image: Path, output: Path) -> SegmentFile:
    name = image.name.partition(".")[0]
    return SegmentFile(image, output / name, output / ".private" / name, MODEL, device="cpu")


def result_of(worker: Worker, request):
    worker.submit(request)
    return until(worker, Finished)[-1].result


def refusal(worker: Worker, request) -> str:
    worker.start()
    request_id, pid = worker.submit(request), worker.pid
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "input")
    assert "\n" not in failed.message
    assert worker.pid == pid
    return failed.message


def test_case_has_all_files_of_the_command_line(case, images):
    assert sorted(os.listdir(case)) == FILES
    report = json.loads((case / "report.json").read_text("utf-8"))
    jsonschema.validate(report, report_schema())
    assert report["image"] == str(images / "a.nii.gz")
    assert set(report["files"].values()) <= set(FILES)
    mask = voxels(case / "mask.nii.gz")
    assert mask.shape == voxels(images / "a.nii.gz").shape
    assert mask.any()


def test_progress_of_a_file_is_reported(worker, images, tmp_path):
    worker.submit(segment_file(images / "a.nii.gz", tmp_path))
    fractions = [event.fraction for event in until(worker, Finished) if isinstance(event, Progressed)]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.5


def test_broken_image_is_refused_and_leaves_no_files(worker, images, tmp_path):
    said = refusal(worker, segment_file(images / "b.nrrd", tmp_path))
    assert said.startswith(f"{images / 'b.nrrd'}: not an NRRD file")
    assert not list(tmp_path.iterdir())


def test_model_error_names_the_image(worker, images, tmp_path):
    image = images / "a.nii.gz"
    wrong = SegmentFile(image, tmp_path / "a", tmp_path / ".private", MODEL, device="cpu", maps=("x",))
    assert "map 'x'" in refusal(worker, wrong)
    assert not list(tmp_path.iterdir())


class BuggyJob:
    """Stands in for a `SegmentJob` that a bug ends."""

    def segment(self, *arguments):
        raise KeyError("a bug")


def test_unexpected_error_is_one_line_and_a_log_beside_the_results(images, tmp_path):
    place = FilePlace(images / "a.nii.gz", tmp_path / "a", tmp_path / ".private")
    with pytest.raises(
        UnexpectedError, match=r"a\.nii\.gz: unexpected error \(KeyError: 'a bug'\)"
    ) as caught:
        segment_image_file(BuggyJob(), place, lambda volume: (None, None), None, lambda: False)
    log = tmp_path / "trustseg_errors.log"
    assert str(log) in str(caught.value)
    assert "Traceback" in log.read_text()
    assert list(tmp_path.iterdir()) == [log]


def test_stopped_file_is_not_published(worker, tmp_path):
    images = make_folder(tmp_path / "images", repeats=3)
    output = tmp_path / "results"
    as_crop = without_locator(tmp_path / "hippocampus-t1")
    request_id = worker.submit(replace(segment_file(images / "a.nii.gz", output), model=as_crop))
    until(worker, lambda event: isinstance(event, Progressed) and event.remaining_seconds is not None)
    worker.cancel()
    assert until(worker, Stopped)[-1] == Stopped(request_id)
    assert not (output / "a").exists()


def test_plan_lists_every_image(worker, images, tmp_path):
    targets = result_of(worker, PlanBatch(images, tmp_path / "results"))["targets"]
    assert [Path(target["image"]).name for target in targets] == ["a.nii.gz", "b.nrrd", "c.nii.gz"]
    assert [target["folder"] for target in targets] == [str(tmp_path / "results" / name) for name in "abc"]
    assert targets[0]["bytes"] == (images / "a.nii.gz").stat().st_size
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["cases.csv", "a/mask.nii.gz"])
def test_plan_refuses_to_overwrite_foreign_files(worker, images, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    said = refusal(worker, PlanBatch(images, tmp_path))
    assert said.endswith("was not written by trustseg; choose another output folder")


def test_plan_refuses_a_folder_without_images(worker, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    assert "holds no images" in refusal(worker, PlanBatch(tmp_path, tmp_path / "results"))
    assert "is no folder" in refusal(worker, PlanBatch(tmp_path / "nowhere", tmp_path / "results"))


def test_tables_are_sorted_by_expected_failure(worker, case, images, tmp_path):
    failed, gone = str(images / "b.nrrd"), str(images / "c.nii.gz")
    cases = [
        (str(images / "a.nii.gz"), str(case), None),
        (failed, None, "no image"),
        (gone, str(tmp_path / "gone"), None),
    ]
    rows = result_of(worker, WriteTables(tmp_path / "tables", cases))["cases"]
    assert [row["image"] for row in rows] == [failed, gone, str(images / "a.nii.gz")]
    assert rows[0]["error"] == "no image"
    assert "its report is gone" in rows[1]["error"]
    assert rows[2]["quality"] is not None
    assert [row["image"] for row in csv_rows(tmp_path / "tables" / "cases.csv")] == [
        row["image"] for row in rows
    ]
    assert json.loads((tmp_path / "tables" / "cases.json").read_text("utf-8"))["cases"] == rows


def test_tables_read_changed_reports(worker, case, images, tmp_path):
    copy = tmp_path / "case"
    shutil.copytree(case, copy)
    cases = [(str(images / "a.nii.gz"), str(copy), None)]
    result_of(worker, WriteTables(tmp_path, cases))
    report = json.loads((copy / "report.json").read_text("utf-8"))
    report["case"]["quality"] = 0.25
    (copy / "report.json").write_text(json.dumps(report), "utf-8")
    assert result_of(worker, WriteTables(tmp_path, cases))["cases"][0]["quality"] == 0.25


def test_read_case_equals_its_files(worker, case, images):
    read = result_of(worker, ReadCase(images / "a.nii.gz", case))
    image = read_volume(images / "a.nii.gz")
    assert isinstance(read, CaseResult)
    np.testing.assert_array_equal(read.image, image.array)
    assert read.image.dtype == image.array.dtype
    np.testing.assert_allclose(read.spacing, image.spacing)
    np.testing.assert_allclose(read.origin, image.origin)
    np.testing.assert_allclose(read.direction, image.direction)
    np.testing.assert_array_equal(read.labels, voxels(case / "mask.nii.gz"))
    np.testing.assert_array_equal(read.maps["error_probability"], voxels(case / "uncertainty.nii.gz"))
    assert read.report == json.loads((case / "report.json").read_text("utf-8"))


def test_results_of_another_image_are_refused(worker, case, tmp_path):
    other = make_folder(tmp_path / "images", repeats=2)
    assert "its results are not of" in refusal(worker, ReadCase(other / "a.nii.gz", case))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"maps": [{"name": 1}]}'])
def test_damaged_report_is_refused(worker, images, tmp_path, content):
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    assert "report.json" in refusal(worker, ReadCase(images / "a.nii.gz", tmp_path))


def test_report_cannot_name_files_outside_its_folder(worker, case, images, tmp_path):
    copy = tmp_path / "case"
    shutil.copytree(case, copy)
    report = json.loads((copy / "report.json").read_text("utf-8"))
    (copy / "uncertainty.nii.gz").rename(tmp_path / "secret.nii.gz")
    report["maps"][0]["file"] = "../secret.nii.gz"
    (copy / "report.json").write_text(json.dumps(report), "utf-8")
    assert "secret.nii.gz: cannot be read" in refusal(worker, ReadCase(images / "a.nii.gz", copy))


@pytest.mark.parametrize("kind", ["segment_file", "plan_batch", "write_tables", "read_case"])
def test_incomplete_request_is_refused_and_the_process_stays(worker, kind, images, tmp_path):
    worker.start()
    request = PlanBatch(images, tmp_path / "results")

    class Lacking:
        array, expected = None, request.expected

        def message(self, request_id: str, array_file: str) -> dict:
            return {"type": kind, "id": request_id}

    worker.submit(Lacking())
    pid = worker.pid
    failed = until(worker, Failed)[-1]
    assert failed.kind == "protocol"
    assert result_of(worker, request)["targets"]
    assert worker.pid == pid
