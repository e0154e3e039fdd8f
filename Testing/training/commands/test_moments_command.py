"""`trustseg-train moments` on real files and a trained network."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from trustseg_training.cli import main
from trustseg_training.evaluation import choose_cases, load_evaluated_model
from trustseg_training.moment_check import check as command_module
from trustseg_training.moment_check import read_crops
from trustseg_training.moment_check.measures import FITTED
from trustseg_training.moment_check.sampling import Truth

NETWORK = ["--structures", "Left half", "Right half", "--filters", "2", "4", "--patch", "18", "18", "18"]


@pytest.fixture
def run(trained) -> Path:
    return trained(*NETWORK, "--epochs", "1", name="run é")


@pytest.fixture
def command(run, dataset, tmp_path) -> list[str]:
    words = ["moments", str(run), "--data", str(dataset), "-o", str(tmp_path / "out é")]
    return [*words, "--crop", "8", "12", "8", "--images", "2", "--samples", "24"]


def test_check_writes_its_numbers_and_continues_with_more_samples(command, tmp_path, capsys):
    out = tmp_path / "out é"
    assert main(command) == 0
    message = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in message[:3]] == ["taylor", "exact", "correlated"]
    assert message[-1] == str(out / "moments.md")
    numbers = json.loads((out / "moments.json").read_text())
    assert numbers["samples"] == 24
    assert numbers["conditions"] == ["clean", "gaussian-8dB"]
    assert set(numbers["modes"]) == {"taylor", "exact", "correlated", FITTED}
    assert set(numbers["modes"]["exact"]["conditions"]) == {"clean", "gaussian-8dB"}
    assert numbers["modes"]["exact"]["within_bound"] == 1
    with (out / "moments.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["what"] for row in rows} >= {"logits", "probabilities", "body.head", "body.encoder.0.0.0"}
    assert (out / "moments.png").read_bytes().startswith(b"\x89PNG")
    text = (out / "moments.md").read_text(encoding="utf-8")
    assert "| **target** | ≥ .95 |" in text
    assert text.count("\n| body.") == len(numbers["modes"]["exact"]["layers"])

    assert main([*command, "--samples", "30", "--modes", "exact"]) == 0
    more = json.loads((out / "moments.json").read_text())
    assert more["samples"] == 30
    assert list(more["modes"]) == ["exact"]


def test_stopped_check_continues_from_its_sums(command, tmp_path, monkeypatch):
    drawn = []
    draw = Truth.draw

    def stopping(self: Truth) -> None:
        if len(drawn) == 5:
            raise KeyboardInterrupt
        drawn.append(self.drawn)
        draw(self)

    monkeypatch.setattr(command_module, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Truth, "draw", stopping)
    assert main(command) == 130
    drawn.clear()
    monkeypatch.setattr(Truth, "draw", lambda self: (drawn.append(self.drawn), draw(self)))
    assert main(command) == 0
    assert drawn == list(range(5, 24))


def test_sums_of_other_crops_are_refused(command, capsys):
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--seed", "1"]) == 2
    assert "another model, seed or crop" in capsys.readouterr().err


def test_sums_are_refused_after_a_label_was_fixed(command, dataset, capsys):
    assert main(command) == 0
    label = dataset / "labelsTr" / "case_4.nii.gz"
    before = label.stat()
    os.utime(label, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert main([*command, "--samples", "30"]) == 2
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--crop", ["9", "8", "8"], "crop 9"),
        ("--samples", ["3"], "samples 3"),
        ("--images", ["0"], "images 0"),
        ("--minutes", ["0"], "minutes 0"),
        ("--conditions", ["fog-3"], "fog"),
    ],
)
def test_unusable_options_are_named_before_anything_is_sampled(
    command, capsys, tmp_path, option, value, message
):
    assert main([*command, option, *value]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out é").exists()


def test_a_crop_holds_the_structures_and_noise_is_on_its_own_images_only(run, dataset):
    evaluated = load_evaluated_model(run)
    cases = choose_cases(evaluated, dataset, "val")
    shape = (12, 12, 12)
    clean = read_crops(evaluated, cases, dataset, ["clean"], shape)
    mixed = read_crops(evaluated, cases, dataset, ["clean", "gaussian-8dB"], shape)
    assert mixed.conditions == ("clean", "gaussian-8dB")
    assert mixed.images.shape == (2, 1, *shape)
    assert np.array_equal(clean.images[0], mixed.images[0])
    assert not np.allclose(clean.images[1], mixed.images[1], atol=0.05)
    # The ball is the bright half of the crop: a crop beside it would be dark.
    middle = clean.images[:, 0, 5:7, 5:7, 5:7].mean()
    assert middle > clean.images[:, 0, 0, 0, 0].mean() + 1
