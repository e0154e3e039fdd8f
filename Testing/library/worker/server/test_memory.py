"""Running out of memory: the order of the fallbacks, and their announcements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from TrustSegLib.errors import TrustSegError
from TrustSegLib.worker.arrays import write_array
from TrustSegLib.worker.folder import PrivateFolder
from TrustSegLib.worker.server import segmentation as job_file
from TrustSegLib.worker.server.handlers import JobHandlers
from TrustSegLib.worker.server.memory import OutOfMemory, Rung, rungs, segment_within_memory

FULL, HALF = (40, 56, 40), (20, 28, 20)
GPU = torch.device("cuda:0")
OOM = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def test_each_step_needs_less_device_memory_and_the_cpu_is_last():
    assert list(rungs("cuda:1", 2, FULL, (4, 4, 4))) == [
        Rung("cuda:1", 2, FULL),
        Rung("cuda:1", 1, FULL),
        Rung("cuda:1", 1, HALF),
        Rung("cpu", 2, FULL),
    ]
    assert list(rungs("cpu", 2, FULL, (4, 4, 4))) == [Rung("cpu", 2, FULL)]


@pytest.mark.parametrize("divisors", [(1, 1, 1), (4, 4, 4), (16, 16, 16), (16, 16, 1)])
def test_smaller_patches_still_fit_the_network(divisors):
    size = (112, 160, 1 if divisors[2] == 1 else 96)
    sizes = [rung.patch_size for rung in rungs("cuda:0", 2, size, divisors)]
    assert len(set(sizes)) > 1
    assert not np.any(np.remainder(sizes, divisors))
    assert np.min(sizes, axis=0).tolist() >= [16, 16, 1]


def test_sufficient_memory_announces_nothing():
    said = []
    ladder = rungs("cuda:0", 2, FULL, (4, 4, 4))
    assert segment_within_memory(lambda rung: rung, ladder, said.append) == Rung("cuda:0", 2, FULL)
    assert said == []


def test_the_cpu_is_taken_when_no_patch_fits():
    def attempt(rung: Rung) -> Rung:
        if rung.device != "cpu":
            raise TrustSegError("as the sliding window says it") from OOM
        return rung

    said = []
    assert segment_within_memory(attempt, rungs("cuda:0", 2, FULL, (4, 4, 4)), said.append).device == "cpu"
    assert len(said) == 3
    assert "CPU" in said[-1]


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate 9. GiB"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_exhausted_main_memory_is_reported_without_retries(error):
    tried = []

    def attempt(rung: Rung) -> None:
        tried.append(rung)
        raise error

    with pytest.raises(OutOfMemory, match="memory is too small"):
        segment_within_memory(attempt, rungs("cuda:0", 2, FULL, (4, 4, 4)), lambda text: None)
    assert len(tried) == 1


@pytest.mark.parametrize("error", [TrustSegError("the image has no channels"), RuntimeError("shapes differ")])
def test_other_errors_are_raised_unchanged(error):
    def attempt(rung: Rung) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        segment_within_memory(attempt, rungs("cuda:0", 2, FULL, (4, 4, 4)), lambda text: None)


class Sent(list):
    """In place of the channel."""

    def send(self, message: dict) -> None:
        self.append(message)

    def of(self, kind: str) -> list[dict]:
        return [message for message in self if message["type"] == kind]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrivateFolder:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = PrivateFolder.create()
    yield folder
    folder.remove()


def request_message(folder: PrivateFolder, make_request) -> dict:
    request = make_request(array=np.random.default_rng(0).random((1, 20, 30, 20), np.float32))
    write_array(folder.path / "1-image.npy", request.array)
    return {**request.message("1", "1-image.npy"), "model": "hippocampus-t1"}


def test_smaller_patches_are_noted_in_notices_and_report(folder, make_request, monkeypatch):
    real_segment = job_file.segment

    def small_gpu(volume, model, options, *callbacks):
        seeds.append(torch.initial_seed())
        torch.rand(1)
        patch = model.description.input.patch_size
        if options.device != "cpu" and np.prod(patch) * options.batch_size > np.prod(HALF):
            raise TrustSegError(f"{options.device} ran out of memory") from OOM
        used.append((options.device, options.batch_size, patch))
        return real_segment(volume, model, job_file.dataclasses.replace(options, device="cpu"), *callbacks)

    used, seeds, sent = [], [], Sent()
    torch.manual_seed(99)
    monkeypatch.setattr(job_file, "segment", small_gpu)
    monkeypatch.setattr(job_file, "choose_device", lambda name: GPU)
    message = JobHandlers(sent, folder).segment(request_message(folder, make_request), lambda: False)
    assert used == [("cuda:0", 1, HALF)]
    assert seeds == [0, 0, 0]
    texts = [announced["text"] for announced in sent.of("announced")]
    assert "2 patches at a time" in texts[0]
    assert "40 x 56 x 40 voxels; trying 20 x 28 x 20" in texts[1]
    assert "the mask can differ" in texts[2]
    assert message["notices"] == texts
    # After what the model says of an image that is noise.
    assert message["report"]["case"]["warnings"][-len(texts) :] == texts
    assert message["report"]["provenance"]["patch"] == list(HALF)
    fractions = [progress["fraction"] for progress in sent.of("progress")]
    assert fractions == sorted(fractions)


def test_exhausted_ladder_is_a_memory_failure(folder, make_request, monkeypatch):
    def no_memory(*arguments):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(job_file, "segment", no_memory)
    with pytest.raises(OutOfMemory) as caught:
        JobHandlers(Sent(), folder).segment(request_message(folder, make_request), lambda: False)
    assert caught.value.kind == "memory"
