"""`trustseg-train alarms`: tables on disk and on the screen, and what is refused."""

from __future__ import annotations

import csv

import pytest

from trustseg_training.cli import main


@pytest.fixture
def suite(tmp_path) -> str:
    """One corruption."""
    path = tmp_path / "one.yaml"
    path.write_text("title: One\ncorruptions: [gaussian-0dB]\n")
    return str(path)


@pytest.mark.usefixtures("warm_processes_for_jobs")
def test_command_writes_both_tables_and_prints_the_one_by_condition(dataset, tmp_path, suite, capsys):
    command = ["alarms", "hippocampus-t1", "--data", str(dataset), "--suite", suite, "--split", "all"]
    assert main([*command, "--cases", "2", "--jobs", "2", "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "out" / "alarms.md").read_text(encoding="utf-8") in printed
    assert "| gaussian-0dB | 2 |" in printed
    with (tmp_path / "out" / "alarms.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["case"] for row in rows} == {"case_0", "case_1"}
    # A ball is no hippocampus, and the model says so.
    assert all(row["warnings"] or row["flag"] for row in rows if row["failed"] == "True")
    assert any(row["failed"] == "True" for row in rows)


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--suite", "attacks"], "attacks change the network's input"), (["--jobs", "0"], "give 1 or more")],
)
def test_what_cannot_be_done_is_refused_in_one_line(dataset, tmp_path, capsys, options, reason):
    assert main(["alarms", "hippocampus-t1", "--data", str(dataset), "-o", str(tmp_path), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
