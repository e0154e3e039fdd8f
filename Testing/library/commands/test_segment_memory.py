"""An image that is too large for the memory: it is a failed case, and the others are segmented."""

from __future__ import annotations

import errno
import json
import sys

import numpy as np
import pytest
import torch

from TrustSegLib.cli import main
from TrustSegLib.commands import segment as command
from TrustSegLib.errors import TrustSegError
from TrustSegLib.imaging import Volume, write_volume
from TrustSegLib.inference import memory, segment

# Runs the command with 300 MB more than Python and PyTorch have taken by then: room for the small images.
LITTLE_MEMORY = """
import re, resource, sys
import torch
from TrustSegLib.cli import main
from TrustSegLib.commands import segment
torch.set_num_threads(1)
taken = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + 300 * 10**6,) * 2)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on a process's memory: Linux")
def test_batch_goes_on_after_an_image_too_large_for_the_memory(start, new_volume, model, output, tmp_path):
    folder = tmp_path / "patients"
    folder.mkdir()
    write_volume(new_volume(), folder / "a.nii.gz")
    large = np.zeros((1, 250, 300, 300), dtype=np.uint8)
    large[0, 100] = 1
    write_volume(
        Volume(large, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)), folder / "b.nrrd"
    )
    write_volume(new_volume(), folder / "c.nii.gz")
    arguments = ["segment", folder, "-o", output, "--model", model, "--json"]
    done = start(arguments, code=LITTLE_MEMORY).end()
    assert done.code == 2, done.err
    first, failed, third, batch = map(json.loads, done.out.splitlines())
    assert failed["image"] == str(folder / "b.nrrd")
    assert "b.nrrd: needs more memory than is free" in failed["error"]
    assert done.err.count("\n") == 1
    assert [report["folder"] for report in (first, third)] == [str(output / "a"), str(output / "c")]
    assert [case["error"] is None for case in batch["cases"]] == [False, True, True]
    assert not (output / "b").exists()


NO_MEMORY = [
    MemoryError("Unable to allocate 9. GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["numpy", "torch"])
def test_running_out_of_memory_is_one_line_that_names_the_image(
    error, image, model, output, monkeypatch, capsys
):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(command, "segment", fails)
    assert main(["segment", str(image), "-o", str(output), "--model", str(model)]) == 2
    printed = capsys.readouterr().err
    assert f"{image}: needs more memory" in printed
    assert printed.count("\n") == 1
    assert not output.exists()


def test_gpu_that_is_too_small_is_left_for_the_processor_with_a_line_for_each_step(
    image, model, output, monkeypatch, capsys
):
    def small_gpu(volume, bundle, options, **callbacks):
        if options.device == "cuda:0":
            raise TrustSegError("cuda:0 ran out of memory") from torch.cuda.OutOfMemoryError("CUDA")
        assert options.device == "cpu"
        return segment(volume, bundle, options, **callbacks)

    monkeypatch.setattr(memory, "choose_device", lambda name: torch.device("cuda:0"))
    monkeypatch.setattr(command, "segment", small_gpu)
    assert main(["segment", str(image), "-o", str(output), "--model", str(model)]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "ran out of memory" in line]
    assert all(line.startswith(f"{image.name}: cuda:0 ran out of memory") for line in lines)
    assert "2 patches at a time" in lines[0]
    assert "segmenting on the CPU instead" in lines[-1]
    warnings = json.loads((output / "report.json").read_text())["case"]["warnings"]
    assert warnings[-len(lines) :] == [line.removeprefix(f"{image.name}: ") for line in lines]


@pytest.fixture
def bug(monkeypatch):
    """Let the first segmentation of a run fail: `bug(KeyError("a bug"))`."""

    def install(error: Exception) -> None:
        calls = []

        def fails_once(*arguments, **options):
            calls.append(arguments)
            if len(calls) == 1:
                raise error
            return segment(*arguments, **options)

        monkeypatch.setattr(command, "segment", fails_once)

    return install


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug\nof two lines"), KeyError("a bug"), ValueError("a bug")]
)
def test_batch_goes_on_after_an_unexpected_error_and_logs_it(
    error, bug, image, model, output, tmp_path, capsys
):
    second = tmp_path / "second.nii.gz"
    second.write_bytes(image.read_bytes())
    bug(error)
    arguments = ["segment", str(image), str(second), "-o", str(output), "--model", str(model), "--quiet"]
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"{image}: unexpected error ({type(error).__name__}: " in printed
    assert str(output / "trustseg_errors.log") in printed
    assert "Traceback" in (output / "trustseg_errors.log").read_text()
    cases = json.loads((output / "cases.json").read_text())["cases"]
    assert {case["image"]: case["error"] is None for case in cases} == {str(image): False, str(second): True}
    assert (output / "second" / "report.json").is_file()


def test_unexpected_error_of_the_only_image_is_one_line_and_a_log(bug, image, model, output, capsys):
    bug(KeyError("a bug"))
    assert main(["segment", str(image), "-o", str(output), "--model", str(model)]) == 1
    printed = capsys.readouterr()
    log = output / "trustseg_errors.log"
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert str(log) in printed.err
    assert log.read_text().startswith(f"{image}\n")
    assert list(output.iterdir()) == [log]


def test_full_disk_is_told_as_a_full_disk(bug, image, model, output, capsys):
    bug(OSError(errno.ENOSPC, "No space left on device"))
    assert main(["segment", str(image), "-o", str(output), "--model", str(model)]) == 2
    assert "the disk is full; free some space" in capsys.readouterr().err
    assert not output.exists()
