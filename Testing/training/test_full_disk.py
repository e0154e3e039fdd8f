"""What the commands say of a disk without room: the kernel's own error, of the device that is always full."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from trustseg_training import cli
from trustseg_training.calibration import record
from trustseg_training.evaluation.temperature_scaling import BEST, FILES
from trustseg_training.moment_check.report import write_tables
from TrustSegLib.errors import OutputError

FULL = Path("/dev/full")
SAID = "cannot be written, the disk is full; free some space, or choose another disk"
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


def test_writer_of_a_calibration_names_the_file_and_the_full_disk(tmp_path):
    path = tmp_path / FILES[BEST]
    path.with_suffix(".partial").symlink_to(FULL)
    with pytest.raises(OutputError, match=f"^{path}: {SAID}$"):
        record.write_into_run(tmp_path, BEST, SimpleNamespace(content={}, figures={}))


def test_writer_of_tables_names_the_folder_and_the_full_disk(tmp_path):
    (tmp_path / "moments.json").symlink_to(FULL)
    with pytest.raises(OutputError, match=f"^{tmp_path}: {SAID}$"):
        write_tables({}, tmp_path)


def test_full_disk_under_any_other_file_is_one_line_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli.COMMANDS["evaluate"], "run", lambda options: FULL.write_text("a table"))
    output = tmp_path / "evaluation"
    assert cli.main(["evaluate", "run", "--data", "d", "-o", str(output)]) == 2
    assert capsys.readouterr().err == f"trustseg-train: error: {output}: a file for it {SAID}\n"


def test_other_errors_of_the_system_are_not_hidden(monkeypatch):
    monkeypatch.setattr(cli.COMMANDS["evaluate"], "run", lambda options: Path("missing/x").write_text(""))
    with pytest.raises(FileNotFoundError):
        cli.main(["evaluate", "run", "--data", "d", "-o", "o"])
