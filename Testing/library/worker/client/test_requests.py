"""Requests and their events, with a stand-in for the segmentation."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from worker_processes import STAND_IN_WORKER, eventually, runs, until

from TrustSegLib.worker import (
    Cancelled,
    Device,
    Failed,
    Finished,
    Logged,
    Progressed,
    Ready,
    Stopped,
    WorkerError,
    arrays,
)


def test_result_is_that_of_the_request(make_worker, make_request, monkeypatch):
    monkeypatch.setattr(arrays, "PIECE_BYTES", 7)  # read in many pieces
    worker = make_worker()
    request = make_request()
    request_id = worker.segment(request)
    assert worker.busy
    *events, finished = until(worker, Finished)
    assert Ready("1", "2", (Device("cpu", "CPU", None, 8000),)) in events
    assert Progressed(request_id, "predict", 0.5, 1.5) in events
    assert finished.id == request_id
    assert not worker.busy
    np.testing.assert_array_equal(finished.result.labels, request.array[0] > 0)
    assert finished.result.labels.dtype == np.uint8
    np.testing.assert_array_equal(finished.result.maps["error_probability"], request.array[0])
    assert finished.result.maps["error_probability"].dtype == np.float32
    assert finished.result.notices == ("smaller",)
    assert finished.result.report == {"pid": worker.pid}
    assert [file.name for file in worker.folder.iterdir()] == ["lock"]


def test_folder_is_private_to_the_user(make_worker):
    worker = make_worker()
    worker.start()
    assert worker.folder.stat().st_mode & 0o777 == 0o700
    assert worker.folder.name.startswith("trustseg-")


def test_the_second_request_goes_to_the_same_process(make_worker, make_request):
    worker = make_worker()
    pids = [worker.run(make_request()).report["pid"] for _ in range(2)]
    assert pids == [worker.pid] * 2


def test_a_second_request_at_the_same_time_is_refused(make_worker, make_request):
    worker = make_worker()
    worker.segment(make_request("wait"))
    with pytest.raises(WorkerError, match="running"):
        worker.segment(make_request())


def test_warming_up_is_logged(make_worker):
    worker = make_worker()
    worker.warm(Path("some-model"))
    until(worker, lambda event: event == Logged("warm some-model"))
    assert not worker.busy


def test_cancel_stops_and_the_process_stays_warm(make_worker, make_request, patient):
    worker = make_worker()
    request_id = worker.segment(make_request("wait"))
    until(worker, Progressed)
    pid = worker.pid
    worker.cancel()
    worker.cancel()
    assert until(worker, Stopped)[-1] == Stopped(request_id)
    assert worker.run(make_request()).report["pid"] == pid
    assert [file.name for file in worker.folder.iterdir()] == ["lock"]


def test_cancel_while_pytorch_loads_keeps_the_process(make_worker, make_request, tmp_path, patient):
    loaded = tmp_path / "loaded"
    wait = f"self.folder = folder\n        while not os.path.exists({str(loaded)!r}): time.sleep(0.01)"
    worker = make_worker(STAND_IN_WORKER.replace("self.folder = folder", wait))
    request_id = worker.segment(make_request("wait"))
    process = worker._session.connection.process
    assert eventually(lambda: worker.poll() == [] and process.interpreter_pid is not None)
    pid = worker.pid
    worker.cancel()
    assert until(worker, Stopped)[-1] == Stopped(request_id)
    loaded.touch()
    assert worker.run(make_request()).report["pid"] == pid


def test_the_blocking_call_can_be_cancelled(make_worker, make_request, patient):
    worker = make_worker()
    seen = []
    with pytest.raises(Cancelled):
        worker.run(make_request("wait"), seen.append, lambda: any(isinstance(e, Progressed) for e in seen))
    assert worker.alive
    assert not worker.busy


def test_an_interrupted_blocking_call_leaves_no_process(make_worker, make_request):
    worker = make_worker()
    pids = []

    def interrupt() -> bool:
        pids.append(worker.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.run(make_request("wait"), cancelled=interrupt)
    assert eventually(lambda: not runs(pids[0]))
    assert worker.folder is None


def test_output_of_libraries_is_logged(make_worker, make_request):
    worker = make_worker(environment={**os.environ, "LANG": "C", "LC_ALL": "C"})
    worker.segment(make_request("noise"))
    logged = [event.text for event in until(worker, Finished) if isinstance(event, Logged)]
    logged += [event.text for event in worker.poll() if isinstance(event, Logged)]
    expected = {"10%", "20%", "\ufffd damaged", "printed by a library", "printed by a child"}
    assert expected <= set(logged)


def test_an_idle_process_ends_and_the_next_request_starts_another(make_worker, make_request):
    worker = make_worker(idle_seconds=0.2)
    first = worker.run(make_request()).report["pid"]
    assert eventually(lambda: worker.poll() == [] and not worker.alive)
    assert worker.pid is None
    assert worker.run(make_request()).report["pid"] != first


def test_request_to_a_process_that_is_leaving_goes_to_the_next(make_worker, make_request, tmp_path):
    leave = f"""
import os, sys
if not os.path.exists({str(tmp_path / "been here")!r}):
    open({str(tmp_path / "been here")!r}, "w").close()
    sys.stdin.readline()
    print('{{"type": "hello", "protocol": "trustseg-worker/1", "pid": %d}}' % os.getpid())
    print('{{"type": "ready", "version": "1", "torch": "2", "devices": []}}')
    print('{{"type": "bye"}}')
    sys.exit()
"""
    worker = make_worker(leave + STAND_IN_WORKER)
    request = make_request()
    np.testing.assert_array_equal(worker.run(request).labels, request.array[0] > 0)


def test_damaged_line_is_reported_and_the_process_stays(make_worker, make_request):
    worker = make_worker()
    worker.start()
    for line in (b"\xff{\n", b"[1]\n", b'{"type": "dance"}\n', b'{"no": "type"}\n', b'{"type": 1}\n'):
        worker._session.connection.process.send(line)
        failed = until(worker, lambda event: isinstance(event, Failed))[-1]
        assert (failed.id, failed.kind) == (None, "protocol")
    worker.run(make_request())


def test_invalid_array_is_refused_at_once(make_request):
    shapes = (3, 4, 5), (1, 0, 4, 5)
    kinds = "U1", "c8", "O"
    for array in [*map(np.zeros, shapes), *(np.zeros((1, 1, 1, 1), kind) for kind in kinds)]:
        with pytest.raises(WorkerError, match="cannot be segmented"):
            make_request(array=array)
