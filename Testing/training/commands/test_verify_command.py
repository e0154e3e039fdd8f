"""`trustseg-train verify` on real files and trained networks, over processes, stops and ranks."""

from __future__ import annotations

import csv
import json
import signal
import sys
import time
from pathlib import Path

import pandas
import pytest
from warm_processes import TrainingCommand

from trustseg_training import report as report_room
from trustseg_training.cli import main
from trustseg_training.robustness import parts
from trustseg_training.robustness import summary as summary_module
from TrustSegLib.errors import OutputError

SUITE = """\
title: Small
corruptions: [gaussian-8dB, gain-2, blur-2, gaussian--30dB]
attacks: [fgsm-0.05, pgd2-0.05@1to2]
"""
NETWORK = ["--structures", "Left half", "Right half", "--filters", "2", "4", "--patch", "18", "18", "18"]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """No interval is looked at here."""
    monkeypatch.setattr(summary_module, "RESAMPLES", 20)


@pytest.fixture
def runs(trained) -> list[Path]:
    """A deterministic network and a variational one, one epoch each."""
    families = ("deterministic", "vdp")
    return [trained(*NETWORK, "--epochs", "1", "--family", each, name=f"runs/{each}") for each in families]


@pytest.fixture
def command(runs, dataset, tmp_path) -> list[str]:
    suite = tmp_path / "small.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    out = tmp_path / "out é"
    return ["verify", *map(str, runs), "--data", str(dataset), "-o", str(out), "--suite", str(suite)]


@pytest.mark.usefixtures("warm_processes_for_jobs")
def test_verification_writes_its_tables_and_continues_where_it_stopped(
    command, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "out é"
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(out / "report.html")
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Left half" in report
    assert report.count("data:image/png") >= 2, "no pictures of examples"

    summary = json.loads((out / "summary.json").read_text())
    unreachable = "gaussian--30dB"
    conditions = ["clean", "gaussian-8dB", "gain-2", "blur-2", unreachable, "fgsm-0.05", "pgd2-0.05@1to2"]
    assert list(summary["conditions"]) == ["deterministic", "vdp"]
    assert list(summary["conditions"]["vdp"]) == conditions
    assert summary["conditions"]["vdp"]["gaussian-8dB"]["snr_db"] == pytest.approx(8, abs=0.01)
    assert summary["conditions"]["deterministic"]["clean"]["structures"]["Left half"]["difference"] is None
    assert "brightness" in summary["pool"]["vdp"]["mean_error_probability"]

    with (out / "structures.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["condition"] for row in summary["skipped"]} == {unreachable}
    assert summary["conditions"]["vdp"][unreachable]["structures"] == {}
    assert len(rows) == 2 * (len(conditions) - 1) * 2 * 2  # models, conditions, patients, structures
    clean = [
        row
        for row in rows
        if (row["model"], row["condition"], row["structure"]) == ("vdp", "clean", "Left half")
    ]
    reported = summary["conditions"]["vdp"]["clean"]["structures"]["Left half"]["dice"]["value"]
    assert sum(float(row["dice"]) for row in clean) / len(clean) == pytest.approx(reported)

    before = {path: path.stat().st_mtime_ns for path in out.glob("parts/*/*.json")}
    lost, damaged = sorted(before)[:2]
    lost.unlink()
    damaged.write_text("{", encoding="utf-8")
    table = pandas.read_csv(out / "structures.csv")
    monkeypatch.setattr(report_room, "report_of", _no_report)
    assert main([*command, "--jobs", "2"]) == 0
    after = {path: path.stat().st_mtime_ns for path in out.glob("parts/*/*.json")}
    assert {path for path in before if after[path] != before[path]} == {lost, damaged}
    # Up to the rounding of sums: another process may have another number of threads.
    pandas.testing.assert_frame_equal(pandas.read_csv(out / "structures.csv"), table, rtol=1e-4, atol=1e-6)


def _no_report(verified, output: Path, device: str) -> Path:
    return output / "summary.json"


@pytest.fixture
def without_report(monkeypatch):
    """What is asked here is not in it, and it takes its time."""
    monkeypatch.setattr(report_room, "report_of", _no_report)


@pytest.mark.usefixtures("without_report")
def test_evaluate_and_verify_agree_on_the_clean_images(command, runs, dataset, tmp_path):
    assert main(command) == 0
    assert main(["evaluate", str(runs[1]), "--data", str(dataset), "-o", str(tmp_path / "e")]) == 0
    summary = json.loads((tmp_path / "out é" / "summary.json").read_text())
    evaluated = json.loads((tmp_path / "e" / "evaluation.json").read_text())["summary"]
    for name, measures in summary["conditions"]["vdp"]["clean"]["structures"].items():
        assert measures["dice"]["value"] == pytest.approx(evaluated[name]["dice"]["mean"])


@pytest.mark.usefixtures("without_report")
def test_killed_verification_keeps_only_whole_parts(command, tmp_path):
    out = tmp_path / "out é"
    process = TrainingCommand([sys.executable, "-m", "trustseg_training", *command])
    while not list(out.glob("parts/*/case_*.json")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "summary.json").exists()
    assert all(json.loads(path.read_text())["records"] for path in out.glob("parts/*/case_*.json"))
    assert main(command) == 0
    assert (out / "summary.json").is_file()


@pytest.mark.usefixtures("without_report")
def test_two_ranks_share_the_work(command, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out é"
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert main(command) == 0
    assert "other ranks" in capsys.readouterr().out
    assert len(list(out.glob("parts/*/case_*.json"))) == 2
    assert not (out / "summary.json").exists()
    monkeypatch.setenv("RANK", "1")
    assert main(command) == 0
    assert (out / "summary.json").is_file()


@pytest.mark.usefixtures("without_report")
def test_other_weights_or_another_suite_are_measured_anew(command, runs, dataset, tmp_path):
    command = [*command, "--cases", "1"]
    assert main(command) == 0
    part = sorted((tmp_path / "out é").glob("parts/vdp/*.json"))[0]
    before = part.read_text()
    suite = tmp_path / "small.yaml"
    suite.write_text(SUITE.replace("blur-2", "blur-3"), encoding="utf-8")
    assert main(command) == 0
    assert json.loads(part.read_text())["key"] != json.loads(before)["key"]
    assert [record["condition"] for record in json.loads(part.read_text())["records"]][3] == "blur-3"


def test_unreadable_image_is_named_and_what_was_measured_is_kept(command, dataset, tmp_path, capsys):
    image = sorted((dataset / "imagesTr").glob("case_5*"))[0]
    image.write_bytes(b"no image")
    assert main(command) == 2
    message = capsys.readouterr().err
    assert image.name in message
    assert "Traceback" not in message
    assert list((tmp_path / "out é").glob("parts/*/case_4.json"))


def test_folder_that_cannot_be_written_is_named(tmp_path):
    part = parts.Part("m", "0", "c", "p", "k")
    (tmp_path / "parts").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be written"):
        parts.write(part, [{}], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]


@pytest.mark.parametrize("option", ["--jobs", "--cases"])
def test_count_below_one_is_refused(option, tmp_path, capsys):
    assert main(["verify", "x", "--data", "y", "-o", str(tmp_path / "o"), option, "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
