"""The command as a user starts it: a process of its own, and what is left when it is stopped."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from TrustSegLib.imaging import read_labels, read_volume, write_volume
from TrustSegLib.uncertainty import MAP_NAMES
from TrustSegLib.version import __version__

RESULTS = {"mask.nii.gz", "overlay.png", "report.json", "uncertainty.nii.gz"}

# Runs the command with one of its functions replaced, so that it is stopped at a known place.
STOPPED = """
import os, signal, sys
from TrustSegLib.cli import main
from TrustSegLib.commands import segment as command

def stop(*arguments, **options):
    os.kill(os.getpid(), signal.{signal})
    signal.pause()  # A signal that is handled arrives here at the latest.

command.{step} = stop
sys.exit(main(sys.argv[1:]))
"""
KILLED_BETWEEN_MOVES = """
import os, signal, sys
from TrustSegLib.cli import main
from TrustSegLib.commands import outputs

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


def visible(folder: Path) -> set[str]:
    return (
        {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if folder.exists()
        else set()
    )


def test_paths_of_any_script_work_and_the_output_is_json(new_volume, process, model, tmp_path):
    folder = tmp_path / "folder with spaces é 日本"
    folder.mkdir()
    write_volume(new_volume(), folder / "image é 日本.nii.gz")
    done = process(
        "segment", "image é 日本.nii.gz", "-o", "results é", "--model", model, "--json", cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["image"] == "image é 日本.nii.gz"
    assert visible(folder / "results é") == RESULTS


@pytest.mark.parametrize("kind", ["missing", "text"])
def test_a_bad_image_ends_without_a_traceback(kind, process, model, tmp_path, output):
    image = tmp_path / "scan.nii.gz"
    if kind == "text":
        image.write_text("no image")
    done = process("segment", image, "-o", output, "--model", model)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"trustseg: error: {image}: ")
    assert done.stderr.count("\n") == 1
    assert not output.exists()


def test_a_full_terminal_encoding_does_not_matter(new_volume, process, model, tmp_path, output, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    image = tmp_path / "é.nii.gz"
    write_volume(new_volume(), image)
    done = process("segment", image, "-o", output, "--model", model)
    assert done.returncode == 0, done.stderr
    assert "\\xe9.nii.gz" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 128 + signal.SIGTERM)])
def test_a_stopped_process_leaves_nothing(name, code, process, image, model, output):
    stopped = STOPPED.format(signal=name, step="write_report")
    done = process("segment", image, "-o", output / "deep", "--model", model, code=stopped)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_killed_while_writing_leaves_no_result(process, image, model, output):
    killed = STOPPED.format(signal="SIGKILL", step="write_report")
    done = process("segment", image, "-o", output, "--model", model, code=killed)
    assert done.returncode == -signal.SIGKILL
    assert visible(output) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_killed_between_the_moves_leaves_only_whole_files_and_no_report(
    process, image, model, output
):
    killed = KILLED_BETWEEN_MOVES.format(folder=output.name)
    done = process("segment", image, "-o", output, "--model", model, code=killed)
    assert done.returncode == -signal.SIGKILL
    found = visible(output)
    assert len(found) == 1
    assert "report.json" not in found
    for name in found - {"overlay.png"}:
        read = read_labels if name == "mask.nii.gz" else read_volume
        assert read(output / name).shape == read_volume(image).shape


def test_help_and_version_do_not_wait_for_pytorch(process):
    code = """
import sys
from TrustSegLib.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    sys.exit(end.code or sum(name in sys.modules for name in ("torch", "SimpleITK", "matplotlib", "numpy")))
"""
    done = process("segment", "--help", code=code)
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert all(name in done.stdout for name in MAP_NAMES)
    assert process("--version", code=code).stdout == f"trustseg {__version__}\n"
