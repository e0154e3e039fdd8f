"""A folder of images: each is segmented, and the worst is listed first."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from TrustSegLib.cases.image_folders import images_of_batch
from TrustSegLib.cases.targets import plan_targets
from TrustSegLib.cli import main
from TrustSegLib.commands import segment as command
from TrustSegLib.imaging import write_volume
from TrustSegLib.inference import Case, segment

TABLES = ["cases.csv", "cases.json", "index.html", "structures.csv"]


def run(folder: Path, output: Path, model: Path, *options: str) -> int:
    return main(["segment", str(folder), "-o", str(output), "--model", str(model), *options])


@pytest.fixture
def patients(tmp_path, new_volume) -> Path:
    """A folder with two images and one file that only looks like one."""
    folder = tmp_path / "patients"
    folder.mkdir()
    for name in ("a.nii.gz", "c.NRRD"):
        write_volume(new_volume(), folder / name.lower())
    (folder / "b.nii.gz").write_text("no image")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_of_a_folder_is_segmented_and_a_failed_one_is_reported(patients, model, output, capsys):
    assert run(patients, output, model) == 2
    printed = capsys.readouterr()
    assert sorted(os.listdir(output)) == sorted([*TABLES, "a", "c"])
    assert "3 images, 1 failed" in printed.out
    assert printed.err.count("\n") == 1
    cases = json.loads((output / "cases.json").read_text("utf-8"))["cases"]
    assert cases[0]["image"] == str(patients / "b.nii.gz")
    assert cases[0]["folder"] is None
    assert "b.nii.gz" in cases[0]["error"]
    assert [case["error"] for case in cases[1:]] == [None, None]
    listed = rows(output / "cases.csv")
    assert [row["image"] for row in listed] == [case["image"] for case in cases]
    assert [row["structure"] for row in rows(output / "structures.csv")] == ["Front", "Back"] * 2


def test_case_of_lowest_expected_quality_is_named_first(patients, model, output, capsys, monkeypatch):
    (patients / "b.nii.gz").unlink()
    qualities = iter([0.9, 0.4])

    def with_quality(*arguments, **options):
        return replace(segment(*arguments, **options), case=Case(quality=next(qualities)))

    monkeypatch.setattr(command, "segment", with_quality)
    assert run(patients, output, model, "--json") == 0
    batch = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [case["quality"] for case in batch["cases"]] == [0.4, 0.9]
    assert [Path(case["image"]).name for case in batch["cases"]] == ["c.nrrd", "a.nii.gz"]


def test_second_batch_into_the_same_folder_replaces_the_first(patients, model, output):
    (patients / "b.nii.gz").unlink()
    assert run(patients, output, model, "--quiet") == 0
    assert run(patients, output, model, "--quiet") == 0
    assert sorted(os.listdir(output)) == sorted([*TABLES, "a", "c"])


def test_table_of_the_user_is_kept(patients, model, output, monkeypatch, capsys):
    output.mkdir()
    (output / "cases.csv").write_text("mine")
    monkeypatch.setattr(command, "segment", lambda *_, **__: pytest.fail("the work was begun"))
    assert run(patients, output, model) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (output / "cases.csv").read_text() == "mine"


def test_earlier_results_hidden_files_and_subfolders_are_left_out(patients):
    written = {"mask": "mask.nii.gz", "report": "report.json"}
    report = {"schema": "trustseg-report/1", "files": written, "maps": [{"file": "uncertainty.nii.gz"}]}
    (patients / "report.json").write_text(json.dumps(report))
    for name in ("mask.nii.gz", "uncertainty.nii.gz", ".hidden.nii.gz", "notes.txt", "dwi.raw"):
        (patients / name).write_text("x")
    (patients / "deeper.nii.gz").mkdir()
    assert [path.name for path in images_of_batch(patients)] == ["a.nii.gz", "b.nii.gz", "c.nrrd"]


def test_mask_that_no_run_wrote_is_an_image(patients):
    (patients / "mask.nii.gz").write_text("x")
    assert "mask.nii.gz" in [path.name for path in images_of_batch(patients)]


def test_folder_of_dicom_files_is_one_image(patients, tmp_path):
    (patients / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (target,) = plan_targets([str(patients)], str(tmp_path / "out"))
    assert (target.image, target.folder) == (patients, tmp_path / "out")


def test_folder_with_one_image_is_a_batch_too(patients, tmp_path):
    for name in ("b.nii.gz", "c.nrrd"):
        (patients / name).unlink()
    (target,) = plan_targets([str(patients)], str(tmp_path / "out"))
    assert (target.image, target.folder) == (patients / "a.nii.gz", tmp_path / "out" / "a")


def test_quiet_batch_prints_nothing(patients, model, output, capsys):
    (patients / "b.nii.gz").unlink()
    assert run(patients, output, model, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_stopped_batch_lists_the_finished_cases(patients, model, output, monkeypatch):
    """Ctrl-C on the last image."""

    def segment_two(volume, *arguments, **options):
        if (output / "a").exists():
            raise KeyboardInterrupt
        return segment(volume, *arguments, **options)

    monkeypatch.setattr(command, "segment", segment_two)
    assert run(patients, output, model) == 130
    names = [Path(row["image"]).name for row in rows(output / "cases.csv")]
    assert names == ["b.nii.gz", "a.nii.gz"]
    assert not (output / "c").exists()


def test_batch_stopped_before_its_first_case_leaves_nothing(patients, model, output, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "segment", stopped)
    assert run(patients, output, model) == 130
    assert not output.exists() or not os.listdir(output)


def test_rerun_segments_only_what_is_new_or_changed_unless_redo_is_given(
    patients, model, output, new_volume, capsys, monkeypatch
):
    (patients / "b.nii.gz").unlink()
    assert run(patients, output, model, "--quiet") == 0
    write_volume(new_volume(), patients / "d.nii.gz")
    changed = new_volume()
    write_volume(changed.with_array(changed.array + 1), patients / "c.nrrd")
    segmented = []

    def counted(*arguments, **options):
        segmented.append(arguments)
        return segment(*arguments, **options)

    monkeypatch.setattr(command, "segment", counted)
    assert run(patients, output, model) == 0
    assert len(segmented) == 2
    assert "3 images, 0 failed, 1 of an earlier run" in capsys.readouterr().out
    assert len(rows(output / "cases.csv")) == 3
    assert run(patients, output, model, "--quiet", "--redo") == 0
    assert len(segmented) == 5
