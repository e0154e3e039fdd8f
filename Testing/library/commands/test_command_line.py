"""The command as a process: its output, and what is left when it is stopped."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

from TrustSegLib.cli import main
from TrustSegLib.contract import MAP_NAMES
from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.version import __version__

RESULTS = {"mask.nii.gz", "overlay.png", "report.html", "report.json", "uncertainty.nii.gz"}

# Runs the command with one of its functions replaced, so that it is stopped at a known place.
STOPPED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # A job in the background inherits "ignore".
from TrustSegLib.cli import main
from TrustSegLib.cases import case_files as command

def stop(*arguments, **options):
    os.kill(os.getpid(), signal.{signal})
    signal.pause()  # A signal that is handled arrives here at the latest.

command.{step} = stop
sys.exit(main(sys.argv[1:]))
"""
KILLED_BETWEEN_MOVES = """
import os, signal, sys
from TrustSegLib.cli import main
from TrustSegLib.cases import outputs

replace = os.replace
moves = []

def stop(source, destination):
    if "{folder}" == os.path.basename(os.path.dirname(destination)):
        moves.append(destination)
    if len(moves) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, destination)

outputs.os.replace = stop
sys.exit(main(sys.argv[1:]))
"""
# Runs the command and ends with how many of the packages that are slow to load it has loaded.
LOADED = """
import sys
from TrustSegLib.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
sys.exit(sum(name in sys.modules for name in ("torch", "matplotlib")))
"""


def visible(folder: Path) -> set[str]:
    return (
        {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if folder.exists()
        else set()
    )


def test_paths_of_any_script_work_and_the_output_is_json(start, new_volume, model, tmp_path):
    folder = tmp_path / "folder with spaces é 日本"
    folder.mkdir()
    write_volume(new_volume(), folder / "image é 日本.nii.gz")
    arguments = ["segment", "image é 日本.nii.gz", "-o", "results é", "--model", model, "--json"]
    done = start(arguments, cwd=folder).end()
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["image"] == "image é 日本.nii.gz"
    assert visible(folder / "results é") == RESULTS


def test_error_that_the_user_can_fix_has_no_traceback(start, image, model, tmp_path, capsys):
    text, file, damaged = tmp_path / "text.nii.gz", tmp_path / "file", tmp_path / "damaged"
    text.write_text("no image")
    file.write_text("no folder")
    shutil.copytree(model, damaged)
    (damaged / "MODEL_CARD.md").write_text("changed")
    before = sorted(tmp_path.rglob("*"))
    errors = {
        f"{tmp_path / 'missing.nii.gz'}: no such file": (tmp_path / "missing.nii.gz", "output", model),
        f"{text}: ": (text, "output", model),
        f"{damaged}: MODEL_CARD.md was changed": (image, "output", damaged),
        f"{file}: the output folder cannot be written": (image, "file", model),
    }
    for words, (path, output, bundle) in errors.items():
        command = ["segment", *map(str, (path, "-o", tmp_path / output, "--model", bundle))]
        assert main(command) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"trustseg: error: {words}")
        assert said.err.count("\n") == 1
    done = start(command).end()  # the last of them as a process
    assert (done.code, done.out, done.err) == (2, "", said.err)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_stopped_process_leaves_nothing(start, image, model, tmp_path):
    started = {
        name: start(
            ["segment", image, "-o", tmp_path / name / "deep", "--model", model],
            code=STOPPED.format(signal=name, step="write_report"),
        )
        for name in ("SIGINT", "SIGTERM")
    }
    ended = {name: process.end() for name, process in started.items()}
    assert {name: done.code for name, done in ended.items()} == {"SIGINT": 130, "SIGTERM": 143}
    assert not any("Traceback" in done.err for done in ended.values())
    assert not any((tmp_path / name).exists() for name in started)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_process_leaves_no_half_written_result(start, image, model, tmp_path):
    writing, moving = tmp_path / "writing", tmp_path / "moving"
    started = [
        start(["segment", image, "-o", folder, "--model", model], code=code)
        for folder, code in (
            (writing, STOPPED.format(signal="SIGKILL", step="write_report")),
            (moving, KILLED_BETWEEN_MOVES.format(folder="moving")),
        )
    ]
    assert [process.end().code for process in started] == [-signal.SIGKILL] * 2
    assert visible(writing) == set()
    # What is there after the first of five moves is whole, and no report lists it as complete.
    assert visible(moving) == {"mask.nii.gz"}
    assert read_labels(moving / "mask.nii.gz").shape == read_volume(image).shape


def test_help_version_and_a_mistyped_path_do_not_wait_for_pytorch(start):
    started = [
        start(arguments, code=LOADED)
        for arguments in (["segment", "--help"], ["--version"], ["segment", "no.nii", "-o", "no", "--json"])
    ]
    shown, version, mistyped = (process.end() for process in started)
    assert (shown.code, version.code, mistyped.code) == (0, 0, 0)
    assert "examples:" in shown.out
    assert all(name in shown.out for name in MAP_NAMES)
    assert version.out == f"trustseg {__version__}\n"
    assert "no.nii: no such file" in json.loads(mistyped.out)["error"]
