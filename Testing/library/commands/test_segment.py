"""`trustseg segment` on good images: what is written and printed."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from TrustSegLib.bundle import load_bundle, registry
from TrustSegLib.cli import main
from TrustSegLib.commands.console import ProgressBar
from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.inference import Progress, SegmentOptions, segment
from TrustSegLib.report import report_schema


def run(images, output: Path, model: Path, *options: str) -> int:
    paths = [str(image) for image in (images if isinstance(images, list) else [images])]
    return main(["segment", *paths, "-o", str(output), "--model", str(model), *options])


def test_files_hold_what_the_library_returns(image, model, output):
    assert run(image, output, model, "--maps", "entropy") == 0
    volume = read_volume(image)
    expected = segment(volume, load_bundle(model), SegmentOptions(maps=("error_probability", "entropy")))
    mask, uncertainty = read_labels(output / "mask.nii.gz"), read_volume(output / "uncertainty.nii.gz")
    assert mask.same_grid(volume)
    assert uncertainty.same_grid(volume)
    assert uncertainty.array.dtype == np.float32
    np.testing.assert_array_equal(mask.array, expected.labels.array)
    np.testing.assert_array_equal(uncertainty.array, expected.maps["error_probability"].array)
    entropy = read_volume(output / "uncertainty_entropy.nii.gz")
    np.testing.assert_array_equal(entropy.array, expected.maps["entropy"].array)


def test_report_on_disk_is_the_one_on_standard_output(image, model, output, capsys):
    assert run(image, output, model, "--json", "--seed", "7") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert printed.err == ""
    jsonschema.validate(report, report_schema())
    assert report.pop("folder") == str(output)
    assert report == json.loads((output / "report.json").read_text("utf-8"))
    assert report["image"] == str(image)
    assert report["model"] == {"name": "tiny", "version": "0.1.0", "sha256": load_bundle(model).sha256}
    assert report["provenance"]["command"].endswith("--json --seed 7")


def test_files_that_the_report_lists_are_those_that_are_there(image, model, output, capsys):
    assert run(image, output, model, "--json", "--maps", "epistemic") == 0
    report = json.loads(capsys.readouterr().out)
    listed = [*report["files"].values(), *(entry["file"] for entry in report["maps"])]
    assert sorted(listed) == sorted(os.listdir(output))


def test_same_seed_gives_the_same_bytes(image, model, tmp_path):
    for name in ("one", "two"):
        assert run(image, tmp_path / name, model, "--seed", "3", "--quiet") == 0
    for file in ("mask.nii.gz", "uncertainty.nii.gz", "overlay.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_every_image_starts_from_the_seed(image, model, output, tmp_path, monkeypatch):
    """A model that draws random numbers must give an image the same result, whatever stands before it."""
    seeds = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    images = [image, Path(image).rename(tmp_path / "a.nii.gz")][1:]
    second = tmp_path / "b.nii.gz"
    second.write_bytes(images[0].read_bytes())
    assert run([*images, second], output, model, "--seed", "5", "--quiet") == 0
    assert seeds == [5, 5]


def test_options_reach_the_segmentation(image, model, output, capsys):
    options = ["--roi", "-14,0,-20,10,20,40", "--overlap", "0.25", "--batch-size", "1", "--device", "cpu"]
    assert run(image, output, model, "--json", "--precision", "bfloat16", *options) == 0
    provenance = json.loads(capsys.readouterr().out)["provenance"]
    found = {key: provenance[key] for key in ("roi", "overlap", "batch_size", "device", "precision")}
    assert found == {
        "roi": "-14,0,-20,10,20,40",
        "overlap": 0.25,
        "batch_size": 1,
        "device": "cpu",
        "precision": "bfloat16",
    }
    uncertainty = read_volume(output / "uncertainty.nii.gz").array
    assert 0 < np.count_nonzero(uncertainty) < uncertainty.size


def test_several_images_get_a_folder_each(new_volume, model, output, tmp_path, capsys):
    images = [tmp_path / "first scan.nii.gz", tmp_path / "é 日本.nrrd"]
    for path in images:
        write_volume(new_volume(), path)
    assert run(images, output, model, "--json") == 0
    *reports, batch = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["image"] for report in reports] == [str(path) for path in images]
    assert sorted(os.listdir(output)) == [
        "cases.csv",
        "cases.json",
        "first scan",
        "index.html",
        "structures.csv",
        "é 日本",
    ]
    assert batch["folder"] == str(output)
    for report in reports:
        jsonschema.validate(report, report_schema())
        assert "mask.nii.gz" in os.listdir(report["folder"])


def test_other_images_are_segmented_beside_a_bad_one(image, model, output, tmp_path, capsys):
    bad = tmp_path / "bad.nii.gz"
    bad.write_text("no image")
    assert run([bad, image], output, model, "--json") == 2
    failed, report, batch = map(json.loads, capsys.readouterr().out.splitlines())
    assert failed["image"] == str(bad)
    assert str(bad) in failed["error"]
    assert report["image"] == str(image)
    assert sorted(os.listdir(output)) == ["cases.csv", "cases.json", "image", "index.html", "structures.csv"]
    assert [case["error"] is None for case in batch["cases"]] == [False, True]


def test_summary_has_volumes_uncertainties_files_and_intended_use(image, model, output, capsys):
    assert run(image, output, model) == 0
    printed = capsys.readouterr().out
    report = json.loads((output / "report.json").read_text("utf-8"))
    for row in report["structures"]:
        line = next(line for line in printed.splitlines() if row["name"] in line)
        doubt = "-" if row["mean_uncertainty"] is None else f"{row['mean_uncertainty']:.3f}"
        assert line.split()[1:] == [f"{row['volume_ml']:.2f}", doubt]
    assert "volume (ml)" in printed
    assert "mean uncertainty (raw)" in printed
    assert (
        f"results in {output}: mask.nii.gz, uncertainty.nii.gz, overlay.png, report.html, report.json\n"
        in printed
    )
    assert "research use only; uncertainty not calibrated\n  Not calibrated: no part" in printed


def test_letters_that_the_terminal_lacks_are_escaped(new_volume, model, output, tmp_path, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    write_volume(new_volume(), tmp_path / "é.nii.gz")
    assert run(tmp_path / "é.nii.gz", output, model) == 0
    assert b"\\xe9.nii.gz" in terminal.buffer.getvalue()


def test_program_that_calls_main_keeps_its_signal_handlers(image, model, output):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert run(image, output, model, "--quiet") == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_quiet_prints_nothing(image, model, output, capsys):
    assert run(image, output, model, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def bundled(tmp_path, monkeypatch) -> Path:
    """An empty folder in place of that of the bundled models."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr(registry, "MODELS_FOLDER", folder)
    return folder


def test_model_that_fits_is_the_default_and_the_reason_is_printed(bundled, save_model, image, output, capsys):
    save_model(bundled, "lone")
    assert main(["segment", str(image), "-o", str(output)]) == 0
    assert "chosen because it fits the image: intensities as in MR (no header says" in capsys.readouterr().out
    report = json.loads((output / "report.json").read_text("utf-8"))
    assert report["model"]["name"] == "lone"
    assert report["provenance"]["choice"]["others"] == {}
    jsonschema.validate(report, report_schema())


def test_added_model_is_preferred_to_a_bundled_one_that_fits_as_well(
    bundled, save_model, user_models, image, output, capsys
):
    save_model(bundled, "ours")
    save_model(user_models, "yours")
    assert main(["segment", str(image), "-o", str(output), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"]["name"] == "yours"
    assert report["provenance"]["choice"]["others"] == {"ours": "fits as well"}


def test_damaged_added_model_does_not_keep_the_others_from_being_chosen(
    bundled, save_model, user_models, image, output, capsys
):
    save_model(bundled, "ours")
    (save_model(user_models, "yours") / "weights.safetensors").write_bytes(b"?")
    assert main(["segment", str(image), "-o", str(output), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"]["name"] == "ours"
    assert "is damaged" in report["provenance"]["choice"]["others"]["yours"]


def test_image_that_no_model_fits_fails_alone_in_a_batch(
    bundled, save_model, image, tmp_path, output, capsys
):
    save_model(bundled, "lone")
    ct = tmp_path / "ct.nii.gz"
    volume = read_volume(image)
    write_volume(volume.with_array(volume.array * 20 - 1000), ct)
    assert main(["segment", str(image), str(ct), "-o", str(output)]) == 2
    printed = capsys.readouterr()
    assert f"{ct}: no model fits this image, so nothing was segmented (lone is for MR" in printed.err
    assert (output / "image" / "mask.nii.gz").exists()


def test_without_any_model_the_error_says_so(bundled, image, output, capsys):
    assert main(["segment", str(image), "-o", str(output)]) == 2
    assert "no model fits this image" in capsys.readouterr().err


class Terminal:
    """Standard error as a terminal that keeps what is written."""

    def __init__(self, is_terminal: bool) -> None:
        self.text = ""
        self._is_terminal = is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "shown", "drawn"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_bar_is_drawn_only_for_people(is_terminal, shown, drawn, monkeypatch):
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar("scan.nii.gz", shown) as progress:
        progress(Progress("predict", 1, 2))
        progress(Progress("predict", 2, 2))
        progress(Progress("restore", 1, 4))
    assert ("scan.nii.gz: predict" in terminal.text) is drawn
    assert ("scan.nii.gz: restore" in terminal.text) is drawn
    assert bool(terminal.text) is drawn


@pytest.mark.parametrize("options", [["--json"], ["--quiet"]])
def test_no_bar_with_json_or_quiet(options, image, model, output, monkeypatch):
    terminal = Terminal(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(image, output, model, *options) == 0
    assert terminal.text == ""
