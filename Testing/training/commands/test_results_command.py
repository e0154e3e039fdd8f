"""`trustseg-train results`: what a verification measured, as Markdown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trustseg_training.cli import main


def _value(number: float | None) -> dict:
    return {"value": number, "low": number, "high": number}


def _condition(dice: float | None, ece: float) -> dict:
    return {
        "structures": {"Left": {"dice": _value(dice)}},
        "detection": {"error_probability": {"auroc": _value(0.91), "average_precision": _value(0.4)}},
        "calibration": {"ece": _value(ece)},
    }


def _pool(auroc: float | None) -> dict:
    rest = {"growth": {"growing": 0, "chains": 0}, "brightness": {}}
    return {"mean_entropy": {"failure_auroc": _value(auroc), "aurc": _value(0.1), **rest}}


@pytest.fixture
def verified(tmp_path) -> Path:
    """Two models of which one has no Dice under noise."""
    conditions = {
        "a": {"clean": _condition(0.9, 0.02), "gaussian-4dB": _condition(None, 0.05)},
        "b": {"clean": _condition(0.8, 0.03)},
    }
    summary = {"models": {"a": "1", "b": "2"}, "conditions": conditions}
    summary |= {"pool": {"a": _pool(0.95), "b": _pool(None)}}
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return tmp_path


def _tables(capsys, *command: str) -> dict[str, list[str]]:
    assert main(["results", *command]) == 0
    parts = capsys.readouterr().out.strip().split("\n\n")
    return {title: table.splitlines() for title, table in zip(parts[::2], parts[1::2], strict=True)}


def test_every_model_has_a_column_and_every_condition_a_row(verified, capsys):
    tables = _tables(capsys, str(verified))
    assert tables["**Dice of Left**"] == [
        "| condition | a | b |",
        "| --- | --- | --- |",
        "| clean | .900 | .800 |",
        "| gaussian-4dB | \N{EN DASH} | \N{EN DASH} |",
    ]
    assert tables["**ECE**"][2:] == ["| clean | .020 | .030 |", "| gaussian-4dB | .050 | \N{EN DASH} |"]
    assert tables["**One number per case**"][2:] == [
        "| a | mean entropy | .950 | .100 | \N{EN DASH} |",
        "| b | mean entropy | \N{EN DASH} | .100 | \N{EN DASH} |",
    ]


def test_models_come_in_the_requested_order(verified, capsys):
    assert _tables(capsys, str(verified), "--models", "b")["**ECE**"][0] == "| condition | b |"
    assert _tables(capsys, str(verified), "--models", "b", "a")["**ECE**"][0] == "| condition | b | a |"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "c"], "model 'c': not verified; name some of a, b"),
        (["--targets", "hippocampus"], "--targets and --model: give both"),
        (["--model", "a"], "--targets and --model: give both"),
    ],
)
def test_options_that_do_not_fit_the_summary_are_named(verified, capsys, options, message):
    assert main(["results", str(verified), *options]) == 2
    assert message in capsys.readouterr().err
