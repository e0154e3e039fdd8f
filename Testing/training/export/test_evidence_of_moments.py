"""The check of the moments in an exported bundle: of its own weights, in its metrics and on its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trustseg_training.cli import main
from trustseg_training.export.evidence import moments_section, read_moments
from TrustSegLib.bundle import load_bundle

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "18", "18", "18"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "1", "--family", "vdp"]


@pytest.fixture
def run(trained) -> Path:
    """A run of one epoch."""
    return trained(*OPTIONS)


def _checked(run: Path, dataset: Path, folder: Path) -> Path:
    sampled = ["--images", "1", "--samples", "20", "--crop", "8", "8", "8", "--layer-images", "0"]
    command = ["moments", str(run), "--data", str(dataset), "-o", str(folder), "--modes", "exact", *sampled]
    assert main(command) == 0
    return folder


def test_moment_check_goes_into_metrics_and_card_and_must_be_of_the_weights(
    run, dataset, details, tmp_path, capsys
):
    checked = _checked(run, dataset, tmp_path / "checked")
    numbers = json.loads((checked / "moments.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "moments.json").write_text(json.dumps({**numbers, "sha256": "0" * 64}))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "moments.json").write_text("{}")
    command = ["export", str(run), "--details", str(details), "-o", str(tmp_path / "bundle")]
    for folder, message in (
        (other, "or on other weights than those of"),
        (foreign, "not of the schema trustseg-moments/1"),
        (tmp_path, "no check of the moments"),
    ):
        assert main([*command, "--moments", str(folder)]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "bundle").exists()
    assert main([*command, "--moments", str(checked)]) == 0
    bundle = load_bundle(tmp_path / "bundle")
    in_bundle = bundle.metrics()["moments"]
    assert in_bundle["samples"] == 20
    assert in_bundle["modes"]["exact"]["scaled_ratio"] is None, (
        "of the one image that the scale was fitted on"
    )
    assert in_bundle["modes"]["exact"]["variance_scale"] == numbers["modes"]["exact"]["variance_scale"]
    card = bundle.card()
    assert card.count("## Moments\n") == 1
    assert card.index("## Moments") < card.index("## License")


def test_moments_of_an_ensemble_are_refused(run, details, tmp_path, capsys):
    command = [
        "export",
        "--members",
        str(run),
        str(run),
        "--details",
        str(details),
        "-o",
        str(tmp_path / "new"),
    ]
    assert main([*command, "--moments", str(tmp_path)]) == 2
    assert "leave out --moments" in capsys.readouterr().err


def test_the_row_of_the_models_own_mode_stands_out():
    mode = {
        "spearman": 0.9167,
        "ratio": {"median": 0.9417, "low": 0.7561, "high": 1.0336},
        "variance_scale": 1.0824,
        "scaled_ratio": {"median": 1.0164, "low": 0.7998, "high": 1.1182},
        "mean_error": 0.02667,
        "argmax_agreement": 0.99979,
    }
    found = {
        "samples": 10_000,
        "images": 20,
        "crop": [24, 32, 24],
        "conditions": ["clean", "gaussian-8dB"],
        "modes": {"taylor": mode, "exact": mode},
    }
    text = moments_section(found, "exact")
    assert "10,000 sets of weights on crops of 20 images (clean, gaussian-8dB)" in text
    assert "| **exact** | 0.917 | 0.94 | 1.08 | 1.02 [0.80, 1.12] | 0.027 | 0.9998 |" in text
    assert "| taylor | 0.917" in text
    alone = {**found, "images": 1, "modes": {"exact": {**mode, "scaled_ratio": None}}}
    assert "| 1.08 | no other image | 0.027 |" in moments_section(alone, "exact")


def test_exported_moments_are_the_summary_of_a_check(run, dataset, tmp_path):
    found = read_moments(_checked(run, dataset, tmp_path / "checked"), run, "best.ckpt")
    assert set(found) == {"samples", "images", "crop", "conditions", "modes"}
    assert set(found["modes"]["exact"]) == {
        "spearman",
        "ratio",
        "variance_scale",
        "scaled_ratio",
        "mean_error",
        "argmax_agreement",
    }
