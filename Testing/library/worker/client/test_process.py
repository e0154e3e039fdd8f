"""The end of a process, of its parent or of the disk space: a clear message, and nothing left behind."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from source_tree import ROOT
from worker_processes import (
    RUN_WORKER,
    STAND_IN,
    STAND_IN_WORKER,
    environment_without,
    eventually,
    interpreter,
    runs,
    until,
)

from TrustSegLib.worker import Failed, Progressed, Stopped, Worker, WorkerError
from TrustSegLib.worker.folder import PREFIX, PrivateFolder

SLOW_START = STAND_IN + "\nif not os.path.exists('MARKER'): time.sleep(600)\n" + RUN_WORKER

DEAF = STAND_IN + "\nnever, kept_open = os.pipe(); os.dup2(never, 0)\n" + RUN_WORKER


@pytest.mark.parametrize("stage", ["load", "predict", "measure"])
def test_killed_process_is_reported_and_replaced(make_worker, make_request, stage):
    worker = make_worker()
    request_id = worker.segment(make_request(f"compute:{stage}"))
    until(worker, Progressed)
    pid, folder = worker.pid, worker.folder
    os.kill(pid, signal.SIGKILL)
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "crash")
    assert f"in the stage {stage} (signal SIGKILL)" in failed.message
    assert not folder.exists()
    assert worker.run(make_request()).report["pid"] != pid


def test_process_killed_while_starting_is_reported_and_replaced(make_worker, make_request, tmp_path):
    worker = make_worker(SLOW_START.replace("MARKER", str(tmp_path / "quick")))
    request_id = worker.segment(make_request())
    os.kill(worker.pid, signal.SIGKILL)
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "start")
    assert "while it started" in failed.message
    (tmp_path / "quick").touch()
    worker.run(make_request())


def test_bug_in_the_process_is_reported_with_its_traceback(make_worker, make_request):
    worker = make_worker()
    worker.segment(make_request("bug"))
    failed = until(worker, Failed)[-1]
    assert failed.kind == "crash"
    assert "RuntimeError: a bug in the middle" in failed.details
    worker.run(make_request())


def test_a_process_that_cannot_stop_is_killed_after_the_grace(make_worker, make_request):
    worker = make_worker()
    request_id = worker.segment(make_request("wait"))
    until(worker, Progressed)
    pid, folder = worker.pid, worker.folder
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    worker.cancel()
    assert until(worker, Stopped)[-1] == Stopped(request_id)
    assert time.monotonic() - start >= 1.0  # it was given the grace
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()
    assert not worker.busy


def test_a_launchers_interpreter_is_killed_too(make_worker, make_request):
    launch = """
import subprocess, sys
if sys.argv[-1] != "child":
    sys.exit(subprocess.call([sys.executable, __file__, *sys.argv[1:], "child"]))
sys.argv.pop()
"""
    worker = make_worker(launch + STAND_IN_WORKER)
    worker.segment(make_request("compute"))
    until(worker, Progressed)
    launcher, child = worker._session.connection.process._popen.pid, worker.pid
    assert launcher != child
    worker.cancel()
    until(worker, Stopped)
    assert eventually(lambda: not runs(launcher) and not runs(child))


def test_closing_during_a_run_leaves_nothing(make_worker, make_request):
    worker = make_worker()
    worker.segment(make_request("compute"))
    until(worker, Progressed)
    pid, folder = worker.pid, worker.folder
    worker.close()
    worker.close()
    assert eventually(lambda: not runs(pid))
    assert not folder.exists()
    assert worker.poll() == []


def test_garbage_collected_worker_leaves_nothing(tmp_path, temporary):
    worker = Worker(python=interpreter(tmp_path, STAND_IN_WORKER))
    worker.start()
    pid = worker.pid
    del worker
    gc.collect()
    assert eventually(lambda: not runs(pid))


PARENT = """
import sys, time
from pathlib import Path
import numpy as np
from TrustSegLib.worker import Progressed, SegmentRequest, Worker
worker = Worker(python=sys.argv[1])
worker.segment(SegmentRequest(np.ones((1, 2, 2, 2)), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1),
                              Path("none"), image_name="compute"))
while not any(isinstance(event, Progressed) for event in worker.poll()):
    time.sleep(0.01)
print(worker.pid, flush=True)
if sys.argv[2] == "wait":
    time.sleep(600)
"""


@pytest.mark.parametrize("how", ["killed", "returns"])
def test_the_process_does_not_outlive_its_parent(tmp_path, temporary, how):
    then = "wait" if how == "killed" else "return"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, interpreter(tmp_path, STAND_IN_WORKER), then],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    pid = int(parent.stdout.readline())
    if how == "killed":
        parent.kill()
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: not runs(pid))
    assert eventually(lambda: not list(temporary.iterdir()))


def test_folders_of_killed_processes_are_swept_and_no_others(make_worker, temporary):
    stale = temporary / f"{PREFIX}stale"
    stale.mkdir()
    for name in ("lock", "1-image.npy"):
        (stale / name).write_bytes(b"\0\0")
    (stale / "trustseg-bundle-x").mkdir()
    live, foreign = PrivateFolder.create(), temporary / f"{PREFIX}foreign"
    foreign.mkdir()
    make_worker().start()
    assert not stale.exists()
    assert live.path.exists()
    assert foreign.exists()
    live.remove()
    foreign.rmdir()


def test_vanished_folder_is_reported_and_replaced(make_worker, make_request):
    worker = make_worker()
    worker.start()
    shutil.rmtree(worker.folder)
    with pytest.raises(WorkerError, match="cannot be transferred"):
        worker.segment(make_request())
    worker.run(make_request())


def test_missing_python_is_reported(temporary):
    with pytest.raises(WorkerError, match="cannot be started"):
        Worker(python=str(temporary / "python")).start()


FINISHED = '{"type": "finished", "id": "1", "labels": "%s", "maps": %s, "notices": [], "report": {}}'


@pytest.mark.parametrize(
    "lines",
    [
        ['{"type": "hello", "protocol": "trustseg-worker/2", "pid": 2}'],
        ['{"type": "ready"}'],
        ['{"type": "hello", "protocol": "trustseg-worker/1", "pid": "x"}'],
        ["HELLO", "no JSON"],
        ["HELLO", "[]"],
        ["HELLO", '{"type": "ready"}'],
        ["HELLO", '{"type": "progress", "id": "1", "stage": "predict", "fraction": NaN}'],
        ["HELLO", '{"type": "failed", "id": "1", "kind": "mood", "message": "x"}'],
        ["HELLO", FINISHED % ("1-labels.npy", "{}")],
        ["HELLO", FINISHED % ("../1-labels.npy", '{"error_probability": "1-map.npy"}')],
        ["HELLO", FINISHED % ("1-labels.npy", '{"error_probability": "1-is-not-there.npy"}')],
    ],
)
def test_invalid_messages_of_a_process_are_reported_and_end_it(make_worker, make_request, lines):
    script = "import os, time\nprint('Welcome to the launcher')\n"
    hello = '\'{"type": "hello", "protocol": "trustseg-worker/1", "pid": %d}\' % os.getpid()'
    script += "".join(f"print({hello if line == 'HELLO' else repr(line)})\n" for line in lines)
    worker = make_worker(script + "import sys\nsys.stdout.flush()\ntime.sleep(600)\n")
    request_id = worker.segment(make_request())
    pid = worker.pid
    failed = until(worker, Failed)[-1]
    assert (failed.id, failed.kind) == (request_id, "protocol")
    assert "Welcome to the launcher" in failed.details
    assert eventually(lambda: not runs(pid))


WITHOUT_TORCH = """
import json, sys, time
import TrustSegLib.worker as w
worker = w.Worker()
worker.start()
events = []
while not any(isinstance(event, w.Failed) for event in events):
    events += worker.poll()
    time.sleep(0.01)
failed = events[-1]
print(json.dumps([failed.kind, failed.message, failed.id, worker.alive]))
"""


def test_client_loads_without_pytorch_and_the_process_names_it(tmp_path, temporary):
    blocked = ("torch", "SimpleITK", "jsonschema", "scipy", "safetensors", "nibabel", "matplotlib", "tqdm")
    environment = environment_without(tmp_path / "blocked", *blocked, TMPDIR=str(temporary))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], env=environment, capture_output=True, check=True, cwd=temporary
    )
    kind, message, request_id, alive = json.loads(done.stdout)
    assert (kind, request_id, alive) == ("start", None, False)
    assert "cannot be loaded (No module named" in message
    assert "install" in message


def test_unresponsive_process_is_abandoned(make_worker, make_request, monkeypatch):
    """Ready, and deaf: as behind a launcher that does not pass its input on."""
    monkeypatch.setattr("TrustSegLib.worker.client.session.ACCEPT_SECONDS", 0.2)
    worker = make_worker(DEAF)
    worker.segment(make_request())
    failed = until(worker, Failed)[-1]
    assert failed.kind == "start"
    assert "does not receive requests" in failed.message
    assert not worker.alive
    assert not worker.busy
