"""The real segmentation in a real process, without the packages that Slicer does not have."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from hand_made_bundles import without_locator
from source_tree import ROOT
from worker_processes import NOT_IN_SLICER, environment_without, eventually, processes_that_name, runs, until

from TrustSegLib.bundle import load_bundle
from TrustSegLib.imaging import Volume, read_volume
from TrustSegLib.inference import segment
from TrustSegLib.report import report_schema
from TrustSegLib.worker import Failed, Finished, Logged, Progressed, SegmentRequest, Stopped, Worker
from TrustSegLib.worker.server.segmentation import Estimate

IMAGE = ROOT / "TrustSeg" / "Resources" / "SampleData" / "hippocampus_223.nii.gz"
MODEL = ROOT / "TrustSegLib" / "models" / "hippocampus-t1"


@pytest.fixture(scope="module")
def sample() -> Volume:
    return read_volume(IMAGE)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One process for all tests of this file; its folder has a hard name, its locale knows ASCII only."""
    folder = tmp_path_factory.mktemp("with blank é 日本")
    environment = environment_without(folder / "blocked", *NOT_IN_SLICER, LANG="C", LC_ALL="C")
    temporary = folder / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        with Worker(environment=environment) as worker:
            yield worker
    assert not list(temporary.iterdir())
    assert not processes_that_name(folder)


@pytest.fixture
def request_of_sample(sample: Volume) -> SegmentRequest:
    return request_of(sample)


STAGES = ["load", "prepare", "predict", "restore"]


def request_of(volume: Volume) -> SegmentRequest:
    geometry = volume.spacing, volume.origin, volume.direction
    return SegmentRequest(volume.array, *geometry, MODEL, device="cpu", image_name="sample")


@pytest.fixture
def large(sample: Volume, tmp_path: Path) -> SegmentRequest:
    """Many patches, for a model that takes every image as a crop."""
    request = request_of(replace(sample, array=np.tile(sample.array, (1, 4, 3, 3))))
    return replace(request, model=without_locator(tmp_path / "hippocampus-t1"))


def test_result_equals_the_library(worker, sample, request_of_sample, tmp_path):
    model = tmp_path / "modèle 日本"
    shutil.copytree(MODEL, model)
    torch.manual_seed(0)
    expected = segment(sample, load_bundle(MODEL))
    worker.segment(replace(request_of_sample, model=model))
    *events, finished = until(worker, Finished)
    result = finished.result
    np.testing.assert_array_equal(result.labels, expected.labels.array[0])
    assert result.labels.any()
    assert result.maps.keys() == expected.maps.keys()
    for name, values in expected.maps.items():
        # Not bit for bit: on a busy machine, threads of two processes may add up in another order.
        np.testing.assert_allclose(result.maps[name], values.array[0], rtol=0, atol=1e-5)
    jsonschema.validate(result.report, report_schema())
    assert result.report["image"] == "sample"
    assert result.report["structures"][0]["volume_ml"] == expected.structures[0].volume_ml
    assert result.notices == ()
    progress = [event for event in events if isinstance(event, Progressed)]
    fractions = [event.fraction for event in progress]
    assert fractions == sorted(fractions)
    assert list(dict.fromkeys(event.stage for event in progress))[:4] == STAGES


def test_a_warm_model_is_not_loaded_again(worker, request_of_sample):
    worker.run(request_of_sample)
    pid, seen = worker.pid, []
    worker.warm(MODEL)
    worker.run(request_of_sample, seen.append)
    assert worker.pid == pid
    assert not [event for event in seen if isinstance(event, Logged) and event.text.endswith("loaded")]


def test_user_errors_are_reported_and_the_process_stays(worker, request_of_sample):
    cases = {
        "neither a bundled model": replace(request_of_sample, model=Path("/nowhere")),
        "map 'x'": replace(request_of_sample, maps=("x",)),
        "holds no voxel": replace(request_of_sample, roi="1000,1001,0,1,0,1"),
        "six numbers": replace(request_of_sample, roi="1,2"),
        "device 'moon'": replace(request_of_sample, device="moon"),
        "spacing is positive": replace(request_of_sample, spacing=(0.0, 1.0, 1.0)),
        "channel": replace(request_of_sample, array=np.tile(request_of_sample.array, (2, 1, 1, 1))),
    }
    worker.start()
    pid = worker.pid
    for text, request in cases.items():
        request_id = worker.segment(request)
        failed = until(worker, Failed)[-1]
        assert (failed.id, failed.kind) == (request_id, "input")
        assert text in failed.message
        assert "\n" not in failed.message
        assert [file.name for file in worker.folder.iterdir()] == ["lock"]
    assert worker.pid == pid


def test_cancel_stops_between_patches(worker, large):
    request_id = worker.segment(large)
    until(worker, lambda event: isinstance(event, Progressed) and event.remaining_seconds is not None)
    pid = worker.pid
    worker.cancel()
    assert until(worker, Stopped)[-1] == Stopped(request_id)
    if worker.alive:  # a slow machine may not finish a patch within the grace
        assert worker.pid == pid
        assert [file.name for file in worker.folder.iterdir()] == ["lock"]


def test_process_killed_during_prediction_is_reported_and_replaced(worker, large, request_of_sample):
    request_id = worker.segment(large)
    until(worker, lambda event: isinstance(event, Progressed) and event.stage == "predict")
    pid = worker.pid
    os.kill(pid, signal.SIGKILL)
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "crash")
    assert "predict" in failed.message
    assert eventually(lambda: not runs(pid))
    assert worker.run(request_of_sample).labels.any()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(estimate: Estimate, clock: Clock, patches: int = 10, seconds: float = 2.0) -> list:
    steps = []
    clock.now += 0.1
    steps.append(estimate.update("prepare", 1, 1))
    for done in range(1, patches + 1):
        clock.now += seconds
        steps.append(estimate.update("predict", done, patches))
    steps.append(estimate.update("restore", 1, 1))
    steps.append(estimate.update("measure", 1, 1))
    return [step for step in steps if step is not None]


def test_fraction_is_monotonic_and_ends_at_one():
    clock = Clock()
    steps = run(Estimate(clock), clock)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fractions[6] == pytest.approx(0.5, abs=0.1)  # the prediction is nearly all of it
    assert steps[-1].remaining_seconds == 0.0


def test_search_comes_first_and_the_rest_of_the_bar_is_that_of_the_segmentation():
    clock = Clock()
    estimate = Estimate(clock)
    clock.now += 1.0
    steps = [estimate.update("locate", 0, 10)]
    for done in range(5, 11):
        clock.now += 0.2
        steps.append(estimate.update("locate", done, 10))
    assert {step.stage for step in steps[:-1]} == {"locate"}
    assert (steps[-1].stage, steps[-1].fraction) == ("prepare", pytest.approx(0.4))
    fractions = [step.fraction for step in (*steps, *run(estimate, clock))]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_remaining_time_follows_the_measured_rate():
    clock = Clock()
    steps = run(Estimate(clock), clock)
    assert steps[0].remaining_seconds is None
    assert steps[5].remaining_seconds == pytest.approx(10.0, rel=0.2)


def test_stage_is_the_current_one():
    clock = Clock()
    assert [step.stage for step in run(Estimate(clock), clock, patches=2)] == [
        "predict",
        "predict",
        "restore",
        "measure",
        "measure",
    ]


def test_restart_continues_from_the_current_fraction():
    clock = Clock()
    estimate = Estimate(clock)
    clock.now += 1.0
    estimate.update("prepare", 1, 1)
    clock.now += 1.0
    before = estimate.update("predict", 1, 2).fraction
    estimate.restart()
    fractions = [step.fraction for step in run(estimate, clock)]
    assert before <= fractions[0] <= min(fractions[1:])
    assert fractions[-1] == 1.0


def test_frequent_reports_are_throttled():
    clock = Clock()
    steps = run(Estimate(clock), clock, patches=1000, seconds=0.001)
    assert len(steps) < 40
