"""Processes that start at once: forks of one process that has imported the libraries of the training.

An import of PyTorch, Lightning and MONAI takes a process longer than the work that most tests give it. What
runs in these processes, how they are killed and what they leave behind is as in new ones; tests of how the
command itself is started use `subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

import torch

#: Windows has no forks.
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
LIBRARIES = ["trustseg_training.training", "trustseg_training.calibration", "trustseg_training.robustness"]

_CONTEXT = multiprocessing.get_context(METHOD)
if METHOD == "forkserver":
    _CONTEXT.set_forkserver_preload(LIBRARIES)


class TrainingCommand:
    """`trustseg-train` in a warm process, with the part of `subprocess.Popen` that its callers use.

    Parameters
    ----------
    command : sequence of str
        ``[sys.executable, "-m", "trustseg_training", ...]``.
    stdin : int
        Only `subprocess.DEVNULL`.
    stdout : file, optional
        Takes both streams; without it, what the process says is thrown away.
    stderr : int
        Only `subprocess.STDOUT`.
    env : mapping of str to str, optional
        The environment; by default that of the tests.
    """

    def __init__(
        self,
        command: Sequence[str],
        stdin: int = subprocess.DEVNULL,
        stdout: IO[Any] | None = None,
        stderr: int = subprocess.STDOUT,
        env: Mapping[str, str] | None = None,
    ) -> None:
        assert (stdin, stderr) == (subprocess.DEVNULL, subprocess.STDOUT)
        assert list(command[:3]) == [sys.executable, "-m", "trustseg_training"]
        file = os.devnull if stdout is None else stdout.name
        environment = dict(os.environ if env is None else env)
        self._process = _CONTEXT.Process(target=_run, args=(command[3:], file, environment), daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)


def _run(arguments: Sequence[str], file: str, environment: dict[str, str]) -> None:
    # A job in the background, as the tests may be, inherits "ignore" for Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    with open(file, "ab", buffering=0) as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    from trustseg_training.cli import main

    sys.exit(main(list(arguments)))
