"""Running out of memory in the worker: what it tells its client, and what the report has."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from TrustSegLib.errors import TrustSegError
from TrustSegLib.inference import memory
from TrustSegLib.inference.memory import OutOfMemory
from TrustSegLib.worker.arrays import write_array
from TrustSegLib.worker.folder import PrivateFolder
from TrustSegLib.worker.server import segmentation as job_file
from TrustSegLib.worker.server.handlers import JobHandlers

HALF = (20, 28, 20)
OOM = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


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

    def small_gpu(volume, model, options, **callbacks):
        seeds.append(torch.initial_seed())
        torch.rand(1)
        patch = model.description.input.patch_size
        if options.device != "cpu" and np.prod(patch) * options.batch_size > np.prod(HALF):
            raise TrustSegError(f"{options.device} ran out of memory") from OOM
        used.append((options.device, options.batch_size, patch))
        return real_segment(volume, model, dataclasses.replace(options, device="cpu"), **callbacks)

    used, seeds, sent = [], [], Sent()
    torch.manual_seed(99)
    monkeypatch.setattr(job_file, "segment", small_gpu)
    monkeypatch.setattr(memory, "choose_device", lambda name: torch.device("cuda:0"))
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
    def no_memory(*arguments, **callbacks):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(job_file, "segment", no_memory)
    with pytest.raises(OutOfMemory) as caught:
        JobHandlers(Sent(), folder).segment(request_message(folder, make_request), lambda: False)
    assert caught.value.kind == "memory"
