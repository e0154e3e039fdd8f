"""Output folders: the user's files are kept, and no half-written result is left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from TrustSegLib.cases import case_files
from TrustSegLib.cases.outputs import RESULT_FILES, publish
from TrustSegLib.cases.targets import image_name, plan_targets
from TrustSegLib.cli import main
from TrustSegLib.commands import segment as command
from TrustSegLib.errors import ImageError, OptionError, OutputError

RESULTS = ["mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"]


def run(image: Path, output: Path, model: Path, *options: str) -> int:
    return main(["segment", str(image), "-o", str(output), "--model", str(model), "--quiet", *options])


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def refuse_to_segment(*_, **__):
    raise AssertionError("the work was begun")


@pytest.mark.parametrize("where", ["output", "output/deeper/still"])
def test_file_in_place_of_the_output_folder_is_reported_before_the_work(
    where, image, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    (tmp_path / "output").write_text("mine")
    assert run(image, tmp_path / where, model) == 2
    assert str(tmp_path / where) in capsys.readouterr().err
    assert (tmp_path / "output").read_text() == "mine"


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs a folder that even root cannot write: Linux's /proc"
)
@pytest.mark.parametrize("where", ["/proc", "/proc/trustseg"])
def test_folder_that_cannot_be_written_is_reported_before_the_work(where, image, model, monkeypatch, capsys):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    assert run(image, Path(where), model) == 2
    assert f"{where}: the output folder cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs a folder that even root cannot write: Linux's /proc"
)
def test_folder_of_one_image_that_cannot_be_written_is_reported_before_the_work(
    image, model, output, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    second = tmp_path / "second.nii.gz"
    second.write_bytes(image.read_bytes())
    output.mkdir()
    (output / "second").symlink_to("/proc")
    arguments = ["segment", str(image), str(second), "-o", str(output), "--model", str(model)]
    assert main(arguments) == 2
    assert str(output / "second") in capsys.readouterr().err


def test_second_run_replaces_the_results_of_the_first(image, model, output):
    assert run(image, output, model) == 0
    before = {name: (output / name).stat().st_ino for name in RESULTS}
    assert run(image, output, model) == 0
    assert names(output) == RESULTS
    assert all((output / name).stat().st_ino != before[name] for name in RESULTS)


def test_second_run_removes_the_maps_of_the_first(image, model, output):
    assert run(image, output, model, "--maps", "entropy,aleatoric") == 0
    assert names(output) == sorted([*RESULTS, "uncertainty_entropy.nii.gz", "uncertainty_aleatoric.nii.gz"])
    assert run(image, output, model) == 0
    assert names(output) == RESULTS


def test_other_files_in_the_output_folder_stay(image, model, output):
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    assert run(image, output, model) == 0
    assert names(output) == sorted([*RESULTS, "notes.txt"])


FOREIGN_REPORT = (
    '{"schema": "other/1", "files": {"mask": "mask.nii.gz", "report": "report.json"}, "maps": []}'
)


@pytest.mark.parametrize("report", [None, "{}", "no JSON", FOREIGN_REPORT, "[1]"])
def test_mask_that_no_run_has_written_is_kept(report, image, model, output, monkeypatch, capsys):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    output.mkdir()
    (output / "mask.nii.gz").write_text("drawn by hand")
    if report is not None:
        (output / "report.json").write_text(report)
    assert run(image, output, model) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (output / "mask.nii.gz").read_text() == "drawn by hand"


def test_overwrite_replaces_it(image, model, output):
    output.mkdir()
    (output / "mask.nii.gz").write_text("drawn by hand")
    assert run(image, output, model, "--overwrite") == 0
    assert (output / "mask.nii.gz").read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_image_itself_is_kept(options, image, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    mask = image.rename(tmp_path / "mask.nii.gz")
    content = mask.read_bytes()
    assert run(mask, tmp_path, model, *options) == 2
    assert "is an image to be segmented" in capsys.readouterr().err
    assert mask.read_bytes() == content


def test_image_is_kept_beside_the_results_of_another(image, model, tmp_path, monkeypatch, capsys):
    assert run(image, tmp_path / "output" / "image", model) == 0
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    mask = tmp_path / "output" / "image" / "mask.nii.gz"
    arguments = ["segment", str(image), str(mask), "-o", str(tmp_path / "output"), "--model", str(model)]
    assert main(arguments) == 2
    assert "is an image to be segmented" in capsys.readouterr().err


def test_folder_with_the_name_of_a_result_is_reported_before_the_work(
    image, model, output, monkeypatch, capsys
):
    monkeypatch.setattr(command, "segment", refuse_to_segment)
    (output / "mask.nii.gz").mkdir(parents=True)
    assert run(image, output, model, "--overwrite") == 2
    assert "mask.nii.gz: is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "step", ["segment", "write_volume", "write_overlay", "write_report", "write_html_report"]
)
def test_interrupt_at_any_step_leaves_nothing(step, image, model, output, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command if step == "segment" else case_files, step, interrupt)
    assert run(image, output / "deep", model) == 130
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails_at", range(10))
def test_failure_between_the_moves_brings_the_earlier_results_back(fails_at, error, tmp_path, monkeypatch):
    folder, staging = tmp_path / "folder", tmp_path / "private" / "0"
    staging.mkdir(parents=True)
    folder.mkdir()
    for name in RESULTS:
        (folder / name).write_text("old")
        (staging / name).write_text("new")
    replace, moves = os.replace, []

    def failing(source, destination):
        moves.append(destination)
        if len(moves) == fails_at + 1:
            raise error
        replace(source, destination)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        publish(staging, folder)
    assert {name: (folder / name).read_text() for name in names(folder)} == dict.fromkeys(RESULTS, "old")


def test_failure_between_the_moves_leaves_no_new_folder(tmp_path, monkeypatch):
    staging = tmp_path / "private" / "0"
    staging.mkdir(parents=True)
    (staging / "mask.nii.gz").write_text("new")
    monkeypatch.setattr(os, "replace", lambda *_: os.rmdir("/nowhere"))
    with pytest.raises(OutputError):
        publish(staging, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_report_is_moved_in_last_and_out_first(tmp_path, monkeypatch):
    """Where there is a report, the files beside it belong to it, even if the machine stops in between."""
    folder, staging = tmp_path / "folder", tmp_path / "private" / "0"
    staging.mkdir(parents=True)
    folder.mkdir()
    for name in RESULTS:
        (folder / name).write_text("old")
        (staging / name).write_text("new")
    replace, seen = os.replace, []

    def watching(source, destination):
        replace(source, destination)
        seen.append({name: (folder / name).read_text() for name in names(folder)})

    monkeypatch.setattr(os, "replace", watching)
    publish(staging, folder)
    with_report = [files for files in seen if "report.json" in files]
    assert len(seen) == 2 * len(RESULTS)
    assert with_report == [dict.fromkeys(RESULTS, "new")]


def test_every_result_has_one_of_the_known_names(image, model, output):
    every = "predictive_variance,entropy,epistemic,aleatoric,error_probability"
    assert run(image, output, model, "--maps", every) == 0
    assert set(names(output)) == {name for name in RESULT_FILES if not name.endswith(".dcm")}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("scan.nii.gz", "scan"),
        ("scan.NII.GZ", "scan"),
        ("scan.nii", "scan"),
        ("scan.2.nrrd", "scan.2"),
        ("a.b.mha", "a.b"),
        ("é 日本.nii.gz", "é 日本"),
        (".nii.gz", ".nii.gz"),
    ],
)
def test_folder_is_named_after_the_image_without_its_extension(file, name, tmp_path):
    (tmp_path / file).touch()
    assert image_name(tmp_path / file) == name


@pytest.mark.parametrize(
    ("folder", "name"), [("series.nii", "series.nii"), ("series/", "series"), ("series/.", "series")]
)
def test_dicom_folder_keeps_its_whole_name(folder, name, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir()
    assert image_name(tmp_path / folder) == name
    monkeypatch.chdir(tmp_path / folder)
    assert image_name(Path()) == name


@pytest.mark.parametrize("other", ["scan.nrrd", "b/scan.nii.gz", "SCAN.nii"])
def test_two_images_with_the_same_name_are_refused_before_the_work(other, tmp_path):
    first, second = tmp_path / "a" / "scan.nii.gz", tmp_path / other
    for path in (first, second):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with pytest.raises(OptionError, match="both write into"):
        plan_targets([str(first), str(second)], str(tmp_path / "output"))


def test_accent_written_in_two_ways_is_the_same_name(tmp_path):
    for folder, name in (("a", "\u00e9.nii"), ("b", "e\u0301.nii")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    with pytest.raises(OptionError):
        plan_targets([str(tmp_path / "a/\u00e9.nii"), str(tmp_path / "b/e\u0301.nii")], "output")


def test_one_missing_image_among_many_is_reported_before_the_work(image, tmp_path):
    with pytest.raises(ImageError, match="missing"):
        plan_targets([str(image), str(tmp_path / "missing.nii.gz")], str(tmp_path / "output"))
