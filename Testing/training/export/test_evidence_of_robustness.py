"""Verifications in an exported bundle: of its own weights, in its metrics and on its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from trustseg_training.cli import main
from trustseg_training.export.evidence import RobustnessResults, robustness_section
from TrustSegLib.bundle import load_bundle
from TrustSegLib.bundle.hashing import sha256_of

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "18", "18", "18"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "1", "--family", "deterministic"]


def _verified(folder: Path, name: str, sha256: str, suite: str) -> Path:
    """As much of a verification as a bundle reports."""
    value = {"value": 0.75, "low": 0.7, "high": 0.8}
    structures = {half: {"dice": value, "hd95_mm": value} for half in ("Left half", "Right half")}
    condition = {"structures": structures, "calibration": {"ece": value}}
    summary = {
        "suite": suite,
        "title": f"Suite {suite}",
        "data": "d",
        "split": "val",
        "seed": 0,
        "command": f"trustseg-train verify --suite {suite}",
        "cases": 2,
        "models": {name: sha256},
        "networks": {name: {"family": "vdp", "options": {}}},
        "conditions": {name: {"clean": condition}},
        "pool": {name: {"mean_error": dict.fromkeys(("failure_auroc", "aurc", "spearman"), value)}},
    }
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def run(trained) -> Path:
    """A run of one epoch."""
    return trained(*OPTIONS)


def test_robustness_results_go_into_metrics_and_card_and_must_be_of_the_weights(
    run, details, tmp_path, capsys
):
    best = sha256_of(run / "best.ckpt")
    noise, faults = (_verified(tmp_path / suite, "run", best, suite) for suite in ("noise", "faults"))
    other = _verified(tmp_path / "other", "run", "0" * 64, "other")
    named = _verified(tmp_path / "named", "vdp", best, "named")
    command = ["export", str(run), "--details", str(details), "-o", str(tmp_path / "bundle")]
    for words, message in (
        (["--verdict", str(noise), str(other)], "run was verified with other weights; verify it again"),
        (["--verdict", str(named)], "run was not verified there, but vdp"),
        (["--verdict", str(tmp_path)], "no summary of a verification"),
        (["--verdict-name", "vdp"], "--verdict-name names a model of --verdict"),
    ):
        assert main([*command, *words]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "bundle").exists()
    assert main([*command, "--verdict", str(noise), str(faults)]) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert [record["suite"] for record in bundle.metrics()["verification"]] == ["noise", "faults"]
    card = bundle.card()
    assert card.count("## Verification\n") == card.count("## Calibration\n") == 1
    assert (
        card.index("Suite noise: 2 images") < card.index("Suite faults: 2 images") < card.index("## License")
    )
    assert RobustnessResults((named,), "vdp").read([run], "best.ckpt")[0]["suite"] == "named"


def test_ensemble_without_a_name_is_refused(run_folders, details, tmp_path, capsys):
    command = ["export", "--members", *map(str, run_folders), "--details", str(details)]
    assert main([*command, "-o", str(tmp_path / "new"), "--verdict", str(tmp_path)]) == 2
    assert "--verdict-name" in capsys.readouterr().err


@pytest.fixture
def run_folders(run) -> list[Path]:
    """The run twice, the second one with another seed."""
    other = shutil.copytree(run, run.with_name("other"))
    content = json.loads((other / "configuration.json").read_text())
    (other / "configuration.json").write_text(json.dumps({**content, "seed": content["seed"] + 1}))
    return [run, other]


def test_section_of_no_condition_with_a_number_has_a_dash():
    nothing = {"value": None}
    structures = {"a": {"dice": nothing, "hd95_mm": nothing}}
    record = {
        "title": "t",
        "patients": 1,
        "split": "val",
        "data": "d",
        "command": "c",
        "network": {"family": "vdp", "options": {}},
        "conditions": {"clean": {"structures": structures, "ece": nothing}},
        "pool": {},
    }
    text = robustness_section([record])
    assert text.startswith("## Verification\n\nt: 1 images")
    assert "| clean | \u2013 | \u2013 | \u2013 |" in text
