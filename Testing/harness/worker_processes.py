"""Worker processes for tests: a quick stand-in for the segmentation, and functions to watch them."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from source_tree import ROOT

from TrustSegLib.worker import Event, Failed, Finished, Stopped, Worker

DEADLINE_SECONDS = 300.0
"""Far more than anything takes on a loaded machine: a limit costs nothing when what is awaited comes."""
NOT_IN_SLICER = ("matplotlib", "tqdm", "nibabel")

RUN_WORKER = """
import runpy, sys
sys.argv = sys.argv[1:]  # "-m TrustSegLib.worker --folder ..."
del sys.argv[0]
runpy.run_module("TrustSegLib.worker", run_name="__main__", alter_sys=True)
"""

# In place of `TrustSegLib.worker.server.handlers`: no PyTorch, and what it does is the image's name.
STAND_IN = """
import os, sys, time, types
import numpy as np
from TrustSegLib.worker.arrays import read_array, write_array
from TrustSegLib.worker.protocol import Cancelled

class JobHandlers:
    def __init__(self, channel, folder):
        self.channel = channel
        self.folder = folder

    def ready(self):
        return {"type": "ready", "version": "1", "torch": "2", "devices": [
            {"name": "cpu", "title": "CPU", "free_mb": None, "total_mb": 8000}]}

    def warm(self, message):
        return {"type": "log", "text": "warm " + message["model"]}

    def segment(self, message, cancelled):
        image = read_array(self.folder.path / message["array"])
        id = message["id"]
        self.channel.send({"type": "accepted", "id": id})
        action, _, stage = message["image_name"].partition(":")
        labels = (image[0] > 0).astype(np.uint8)
        if stage == "measure":
            write_array(self.folder.path / f"{id}-labels.npy", labels)
        progress = {"stage": stage or "predict", "fraction": 0.5, "remaining_seconds": 1.5}
        self.channel.send({"type": "progress", "id": id, **progress})
        getattr(self, action or "nothing")(cancelled)
        write_array(self.folder.path / f"{id}-labels.npy", labels)
        write_array(self.folder.path / f"{id}-map.npy", image[0].astype(np.float32))
        return {"type": "finished", "id": id, "labels": f"{id}-labels.npy", "notices": ["smaller"],
                "maps": {name: f"{id}-map.npy" for name in message["maps"]}, "report": {"pid": os.getpid()}}

    def nothing(self, cancelled):
        pass

    def wait(self, cancelled):
        while not cancelled():
            time.sleep(0.01)
        raise Cancelled

    def compute(self, cancelled):
        while True:
            np.linalg.svd(np.ones((300, 300)))

    def bug(self, cancelled):
        raise RuntimeError("a bug in the middle")

    def noise(self, cancelled):
        os.write(2, b"10%\\r20%\\r\\xff damaged\\n")
        print("printed by a library")
        os.system("echo printed by a child")

module = types.ModuleType("TrustSegLib.worker.server.handlers")
module.JobHandlers = JobHandlers
sys.modules[module.__name__] = module
"""

STAND_IN_WORKER = STAND_IN + RUN_WORKER


def interpreter(folder: Path, script: str) -> str:
    """Executable that takes the interpreter's arguments and runs a script of ours in its place."""
    number = len(list(folder.glob("script*.py")))
    file = folder / f"script{number}.py"
    file.write_text(script, encoding="utf-8")
    launcher = folder / f"python{number}"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{file}" "$@"\n', encoding="utf-8")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return str(launcher)


def until(worker: Worker, wanted: Callable[[Event], bool] | type) -> list[Event]:
    """Events up to the first that is wanted; a request that ends otherwise is a failure of the test."""
    test = wanted if not isinstance(wanted, type) else lambda event: isinstance(event, wanted)
    events: list[Event] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        for event in worker.poll():
            events.append(event)
            if test(event):
                return events
            assert not isinstance(event, (Finished, Failed, Stopped)), event
        time.sleep(0.005)
    raise AssertionError(f"it did not come: {events}")


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to take note of its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_that_name(folder: Path) -> list[int]:
    """Processes that have a folder in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if os.fsencode(folder) in command and runs(int(entry.name)):
            found.append(int(entry.name))
    return found


def shared_memory_of(pids: Iterable[int]) -> list[str]:
    """Shared memory that has one of these process numbers in its name."""
    names = [entry.name for entry in Path("/dev/shm").glob("*")]
    return [name for name in names if {int(number) for number in re.findall(r"\d+", name)} & set(pids)]


def environment_without(folder: Path, *packages: str, **variables: str) -> dict[str, str]:
    """Environment of a Python in which these packages cannot be imported."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {packages}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n",
        encoding="utf-8",
    )
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, **variables}
