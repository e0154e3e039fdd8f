"""A folder as a hospital exports it: each DICOM series is a case, and a failed one stops no other."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from dicom_samples import write_series

from TrustSegLib.cli import main
from TrustSegLib.commands import segment as command
from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.inference import Case, segment

TABLES = ["cases.csv", "cases.json", "index.html", "structures.csv"]
RESULTS = {"mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"}
DICOM = {"segmentation.dcm", "uncertainty.dcm", "report.dcm"}
GOOD = ["p1/2024/T1", "p2/2024/T1"]


def run(folder: Path, output: Path, model: Path, *options: str) -> int:
    return main(["segment", str(folder), "-o", str(output), "--model", str(model), *options])


@pytest.fixture
def export(tmp_path, new_volume) -> Path:
    """Two patients with one good series each."""
    folder = tmp_path / "export é"
    for number, place in enumerate(GOOD):
        write_series(folder / place, new_volume().array[0], origin=(0, 0, 100 * number))
    return folder


@pytest.fixture
def bad(export, new_volume) -> list[str]:
    """Beside the good ones: a scout of one slice, a folder of two series, one whose slices are damaged."""
    voxels = new_volume().array[0]
    write_series(export / "p1/2024/scout", voxels[:1])
    write_series(export / "p2/2024/mixed", voxels, SeriesDescription="Native")
    write_series(export / "p2/2024/mixed", voxels[:5], first=50, SeriesDescription="Late phase")
    for path in write_series(export / "p3/T1", voxels).iterdir():
        path.write_bytes(path.read_bytes()[:300])
    return ["p1/2024/scout", "p2/2024/mixed", "p3/T1"]


def read_cases(output: Path) -> list[dict]:
    return json.loads((output / "cases.json").read_text("utf-8"))["cases"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_series_is_segmented_and_a_failed_one_is_reported(export, bad, model, output, capsys):
    assert run(export, output, model) == 2
    printed = capsys.readouterr()
    assert sorted(os.listdir(output)) == sorted([*TABLES, "p1_2024_T1", "p2_2024_T1"])
    assert set(os.listdir(output / "p1_2024_T1")) == RESULTS
    assert "5 images, 3 failed" in printed.out
    assert printed.err.count("\n") == 3
    cases = read_cases(output)
    assert [case["image"] for case in cases[:3]] == [str(export / place) for place in bad]
    assert [case["folder"] for case in cases[:3]] == [None, None, None]
    assert "one slice" in cases[0]["error"]
    assert "2 DICOM series: " in cases[1]["error"]
    assert "Native (14 files)" in cases[1]["error"]
    assert all(case["error"].startswith(case["image"]) for case in cases[:3])
    assert {case["image"]: case["folder"] for case in cases[3:]} == {
        str(export / place): str(output / place.replace("/", "_")) for place in GOOD
    }
    assert [row["image"] for row in rows(output / "cases.csv")] == [case["image"] for case in cases]
    assert [row["structure"] for row in rows(output / "structures.csv")] == ["Front", "Back"] * 2


def test_mask_lies_where_its_own_series_lies(export, model, output):
    assert run(export, output, model, "--quiet") == 0
    for place in GOOD:
        image = read_volume(export / place)
        mask = read_labels(output / place.replace("/", "_") / "mask.nii.gz")
        assert mask.shape == image.shape
        assert mask.origin == pytest.approx(image.origin)
        report = json.loads((output / place.replace("/", "_") / "report.json").read_text("utf-8"))
        assert report["image"] == str(export / place)


def test_series_of_lowest_expected_quality_is_named_first(export, model, output, capsys, monkeypatch):
    qualities = iter([0.9, 0.4])

    def with_quality(*arguments, **options):
        return replace(segment(*arguments, **options), case=Case(quality=next(qualities)))

    monkeypatch.setattr(command, "segment", with_quality)
    assert run(export, output, model, "--json") == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])["cases"]
    assert [(case["image"], case["quality"]) for case in printed] == [
        (str(export / GOOD[1]), 0.4),
        (str(export / GOOD[0]), 0.9),
    ]


def referenced(made: pydicom.Dataset) -> list[pydicom.Dataset]:
    """The series that a DICOM result refers to; a report lists them as its evidence."""
    if "ReferencedSeriesSequence" in made:
        return list(made.ReferencedSeriesSequence)
    return list(made.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence)


def test_dicom_results_belong_to_their_series_beside_a_damaged_one(export, bad, model, output):
    assert run(export, output, model, "--quiet", "--dicom-seg") == 2
    assert sorted(os.listdir(output)) == sorted([*TABLES, "p1_2024_T1", "p2_2024_T1"])
    for place in GOOD:
        folder = output / place.replace("/", "_")
        assert set(os.listdir(folder)) == RESULTS | DICOM
        source = pydicom.dcmread(export / place / "0.dcm")
        for name in DICOM:
            made = pydicom.dcmread(folder / name)
            assert made.StudyInstanceUID == source.StudyInstanceUID
            assert source.SeriesInstanceUID in {each.SeriesInstanceUID for each in referenced(made)}
    assert [case["error"] is None for case in read_cases(output)] == [False] * 3 + [True] * 2


def test_second_run_finds_the_same_series(export, model):
    for _ in range(2):
        assert run(export, export / "results", model, "--quiet", "--dicom-seg") == 0
        assert sorted(os.listdir(export / "results")) == sorted([*TABLES, "p1_2024_T1", "p2_2024_T1"])


def test_dicom_results_among_the_slices_of_a_batch_are_refused(
    export, new_volume, model, monkeypatch, capsys
):
    """The folder of a series that lies directly in the batch has the name of its case."""
    monkeypatch.setattr(command, "segment", lambda *_, **__: pytest.fail("the work was begun"))
    write_series(export / "p9", new_volume().array[0])
    assert run(export, export, model, "--dicom-seg") == 2
    assert "lies in the folder of the series" in capsys.readouterr().err


@pytest.mark.parametrize("where", [".", "p9", "p9/results"])
def test_results_among_the_slices_of_a_batch_are_refused(
    where, export, new_volume, model, monkeypatch, capsys
):
    monkeypatch.setattr(command, "segment", lambda *_, **__: pytest.fail("the work was begun"))
    write_series(export / "p9", new_volume().array[0])
    before = sorted(export.rglob("*"))
    assert run(export, export / where, model) == 2
    printed = capsys.readouterr().err
    assert f"lies in the folder of the series {export / 'p9'}, which results" in printed
    assert printed.count("\n") == 1
    assert sorted(export.rglob("*")) == before


@pytest.mark.parametrize("options", [[], ["--dicom-seg"]])
def test_other_series_are_segmented_beside_an_unreadable_one(
    options, export, model, output, monkeypatch, capsys
):
    """A file of a worn CD, and a link that the system does not follow; twice, over the earlier results."""
    (export / "p1" / "worn").write_text("x")
    (export / "p2" / "link").symlink_to("x" * 300)
    opened = Path.open

    def worn(path, *arguments, **settings):
        if path == export / "p1" / "worn":
            raise OSError(5, "Input/output error")
        return opened(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", worn)
    for _ in range(2):
        assert run(export, output, model, "--quiet", *options) == 2
    assert sorted(os.listdir(output)) == sorted([*TABLES, "p1_2024_T1", "p2_2024_T1"])
    failed = [case for case in read_cases(output) if case["error"]]
    assert {case["image"] for case in failed} == {str(export / "p1"), str(export / "p2" / "link")}
    assert all(case["error"].startswith(case["image"]) for case in failed)


def test_image_files_beside_the_series_are_the_batch(export, new_volume, model, output, capsys):
    write_volume(new_volume(), export / "a.nii.gz")
    assert run(export, output, model, "--quiet") == 0
    assert sorted(os.listdir(output)) == sorted([*TABLES, "a"])
    assert run(export, output, model, "--dicom-seg") == 2
    assert "a.nii.gz: is not a folder with a DICOM series" in capsys.readouterr().err


def test_one_series_in_a_folder_is_a_batch_too(export, model, output):
    assert run(export / "p1", output, model, "--quiet") == 0
    assert sorted(os.listdir(output)) == sorted([*TABLES, "2024_T1"])


def test_folder_of_one_series_is_one_image(export, model, output):
    assert run(export / GOOD[0], output, model, "--quiet") == 0
    assert set(os.listdir(output)) == RESULTS


def test_folder_of_empty_folders_is_an_error(tmp_path, model, output, capsys):
    (tmp_path / "empty" / "p1").mkdir(parents=True)
    assert run(tmp_path / "empty", output, model) == 2
    assert "without a DICOM image series" in capsys.readouterr().err
    assert not output.exists()


def test_pages_name_the_patient_and_tables_the_image_as_it_was_given(export, model, output, monkeypatch):
    monkeypatch.chdir(export.parent)
    assert run(Path(export.name), output, model) == 0
    pages = [(output / f"{name}_2024_T1" / "report.html").read_text("utf-8") for name in ("p1", "p2")]
    assert ["<h1>p1/2024/T1</h1>" in pages[0], "<h1>p2/2024/T1</h1>" in pages[1]] == [True, True]
    assert {row["image"] for row in rows(output / "cases.csv")} == {f"{export.name}/{name}" for name in GOOD}


def test_page_of_a_series_given_as_the_current_folder_names_it(export, model, output, monkeypatch):
    monkeypatch.chdir(export / GOOD[0])
    assert run(Path("."), output, model) == 0
    assert "<h1>p1/2024/T1</h1>" in (next(output.rglob("report.html"))).read_text("utf-8")
