"""Real worker processes, with a quick stand-in for the segmentation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from worker_processes import (
    DEADLINE_SECONDS,
    STAND_IN_WORKER,
    eventually,
    interpreter,
    processes_that_name,
    runs,
    shared_memory_of,
)

from TrustSegLib.worker import SegmentRequest, Worker

MakeWorker = Callable[..., Worker]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's temporary folder; at the end nothing may be left in it."""
    folder = tmp_path / "temporary é 日本"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
def make_worker(tmp_path: Path, temporary: Path) -> Iterator[MakeWorker]:
    """Makes workers whose process runs a script; at the end no process and no shared memory may be left."""
    workers: list[Worker] = []

    def make(script: str = STAND_IN_WORKER, **settings) -> Worker:
        workers.append(Worker(python=interpreter(tmp_path, script), **settings))
        return workers[-1]

    yield make
    pids = [worker.pid for worker in workers if worker.pid]
    for worker in workers:
        worker.close()
    assert eventually(lambda: not any(runs(pid) for pid in pids))
    assert eventually(lambda: not processes_that_name(tmp_path))
    assert shared_memory_of(pids) == []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canceled process has time to stop by itself, however loaded the machine is."""
    monkeypatch.setattr("TrustSegLib.worker.client.session.CANCEL_SECONDS", DEADLINE_SECONDS)


@pytest.fixture
def make_request() -> Callable[..., SegmentRequest]:
    """Request for a small image."""

    def make(action: str = "", **changes) -> SegmentRequest:
        array = np.random.default_rng(3).integers(-5, 5, (1, 3, 4, 5), dtype=np.int16)
        fields = {"array": array, "model": Path("none"), "image_name": action, **changes}
        return SegmentRequest(
            spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=tuple(np.eye(3).ravel()), **fields
        )

    return make
