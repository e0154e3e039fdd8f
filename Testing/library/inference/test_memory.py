"""Running out of memory: the order of the fallbacks, and their announcements."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from TrustSegLib.errors import TrustSegError
from TrustSegLib.inference import SegmentOptions, memory, segment
from TrustSegLib.inference.memory import (
    OtherPatch,
    OutOfMemory,
    Rung,
    rungs,
    segment_within_memory,
    within_memory,
)

FULL, HALF = (40, 56, 40), (20, 28, 20)
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

    with pytest.raises(OutOfMemory, match="needs more memory than is free"):
        segment_within_memory(attempt, rungs("cuda:0", 2, FULL, (4, 4, 4)), lambda text: None)
    assert len(tried) == 1


@pytest.mark.parametrize("error", [TrustSegError("the image has no channels"), RuntimeError("shapes differ")])
def test_other_errors_are_raised_unchanged(error):
    def attempt(rung: Rung) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        segment_within_memory(attempt, rungs("cuda:0", 2, FULL, (4, 4, 4)), lambda text: None)


class SmallGpu:
    """`segment` on a device with room for so many voxels at a time; it knows patches and nothing else."""

    def __init__(self, room: int) -> None:
        self.room, self.tried, self.seeds = room, [], []

    def __call__(self, volume, model, options, **callbacks):
        patch = model.description.input.patch_size
        self.tried.append((options.device, options.batch_size, patch))
        self.seeds.append(torch.initial_seed())
        torch.rand(1)
        if options.device == "cuda:0":
            if np.prod(patch) * options.batch_size > self.room:
                raise TrustSegError("cuda:0 ran out of memory") from OOM
        elif options.device != "cpu":
            raise ValueError(f"a stand-in for cuda:0 and the CPU, not for {options.device}")
        return segment(volume, model, dataclasses.replace(options, device="cpu"), **callbacks)


@pytest.fixture
def on_small_gpu(make_model, make_volume, pointwise, monkeypatch) -> Callable[..., tuple]:
    """Segment on a GPU of so many voxels: the result, what was said, and the stand-in."""

    def run(room: int, patch=(32, 32, 32)) -> tuple:
        monkeypatch.setattr(memory, "choose_device", lambda name: torch.device("cuda:0"))
        device, said = SmallGpu(room), []
        model = make_model(pointwise, patch=patch)
        found = within_memory(
            device, make_volume((40, 40, 40)), model, SegmentOptions(), seed=7, announce=said.append
        )
        return found, said, device

    return run


def test_patches_become_smaller_until_they_fit_and_the_result_says_so(on_small_gpu):
    result, said, device = on_small_gpu(16**3)
    assert [rung[1:] for rung in device.tried] == [
        (2, (32, 32, 32)),
        (1, (32, 32, 32)),
        (1, (16, 16, 16)),
    ]
    assert device.seeds == [7, 7, 7]
    assert "2 patches at a time" in said[0]
    assert "32 x 32 x 32 voxels; trying 16 x 16 x 16" in said[1]
    assert "the mask can differ" in said[2]
    assert result.case.warnings[-3:] == tuple(said)
    assert result.provenance["patch"] == [16, 16, 16]


def test_the_processor_is_the_last_resort_and_announced(on_small_gpu):
    result, said, device = on_small_gpu(1)
    assert device.tried[-1] == ("cpu", 2, (32, 32, 32))
    assert "segmenting on the CPU instead" in said[-1]
    assert said[-1] in result.case.warnings


def test_nothing_is_announced_where_memory_suffices(on_small_gpu):
    result, said, _ = on_small_gpu(10**9)
    assert said == []
    assert not any("memory" in warning for warning in result.case.warnings)


def test_other_patches_leave_the_model_unchanged(make_model, pointwise):
    model = make_model(pointwise)
    other = OtherPatch.of(model, (4, 4, 4))
    assert other.description.patch_shape == (4, 4, 4)
    assert other.network() is pointwise
    assert model.description.patch_shape == (8, 8, 8)
    assert OtherPatch.of(model, (8, 8, 8)) is model
