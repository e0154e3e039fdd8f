"""A large image is transferred in pieces, between which control returns to the caller."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from worker_processes import eventually, until

from TrustSegLib.worker import Failed, Finished, Progressed, Stopped, arrays
from TrustSegLib.worker.arrays import ArrayReader, ArrayWriter, for_a_moment


@pytest.fixture
def slowly(monkeypatch):
    """One small piece at a time."""
    monkeypatch.setattr(arrays, "PIECE_BYTES", 7)
    monkeypatch.setattr(arrays, "MOMENT_SECONDS", 0.0)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 3, 4, 5), (3, 1, 1)])
@pytest.mark.parametrize("layout", ["plain", "reversed", "transposed"])
def test_array_written_in_pieces_is_read_by_numpy(tmp_path, slowly, shape, layout):
    array = np.random.default_rng(0).integers(-9, 9, shape, dtype=np.int16)
    array = {"plain": array, "reversed": array[..., ::-1], "transposed": array.swapaxes(-1, -2)}[layout]
    writer = ArrayWriter(tmp_path / "a.npy", array)
    while not writer.step():
        pass
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)
    reader = ArrayReader(tmp_path / "a.npy", array.shape, np.int16)
    while not reader.step():
        pass
    np.testing.assert_array_equal(reader.array, array)
    assert not (tmp_path / "a.npy").exists()


def test_array_of_objects_is_refused(tmp_path):
    with pytest.raises(ValueError, match="objects"):
        ArrayWriter(tmp_path / "a.npy", np.full((1, 1, 1, 1), None))


def test_for_a_moment_ends_with_the_last_step_or_its_time(monkeypatch):
    answers = iter([False, False, True])
    assert for_a_moment(lambda: next(answers))
    monkeypatch.setattr(arrays, "MOMENT_SECONDS", 0.0)
    assert not for_a_moment(lambda: False)


def test_request_sent_in_pieces_gives_the_same_result(make_worker, make_request, slowly):
    worker, request = make_worker(), make_request()
    worker.segment(request)
    image = worker.folder / "1-image.npy"
    header = 128  # bytes of a .npy file before its array
    assert image.stat().st_size < header + request.array.nbytes, "it went over in one go"
    finished = until(worker, Finished)[-1]
    np.testing.assert_array_equal(finished.result.labels, request.array[0] > 0)


def test_cancel_during_transfer_keeps_the_process_and_leaves_no_file(
    make_worker, make_request, slowly, patient
):
    worker = make_worker()
    worker.run(make_request())
    pid = worker.pid
    request_id = worker.segment(make_request("wait"))
    worker.cancel()
    assert until(worker, Stopped) == [Stopped(request_id)]
    assert worker.pid == pid
    assert [file.name for file in worker.folder.iterdir()] == ["lock"]
    assert worker.run(make_request()).report["pid"] == pid


def test_full_disk_during_transfer_is_reported(make_worker, make_request, slowly, monkeypatch):
    worker = make_worker()
    worker.run(make_request())
    request_id = worker.segment(make_request())

    def full(self) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArrayWriter, "step", full)
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "disk")
    assert "No space left on device" in failed.message
    assert not worker.busy
    assert eventually(lambda: not worker.alive)


def test_death_during_transfer_is_reported_as_a_crash(make_worker, make_request, slowly):

    worker = make_worker()
    worker.run(make_request())
    worker.segment(make_request("wait"))
    os.kill(worker.pid, signal.SIGKILL)
    failed = until(worker, Failed)[-1]
    assert failed.kind == "crash"
    assert not [event for event in worker.poll() if isinstance(event, Progressed)]
