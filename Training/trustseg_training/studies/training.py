"""Train the networks of a study, several at a time, each in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen

from tqdm import tqdm

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.config.yaml_file import to_yaml
from TrustSegLib.errors import OptionError, output_error

LOG = "fit.log"

#: Seconds between two polls of the processes.
_INTERVAL = 0.5


def train(networks: Mapping[str, FitConfiguration], runs: Path, jobs: int, accelerator: str = "auto") -> None:
    """Train the networks that are not trained yet; a run that was begun is continued.

    Parameters
    ----------
    networks : mapping of str to FitConfiguration
        By name, those to start from before those that start from them.
    runs : Path
        Folder of the run folders; the output of each process is in ``NAME.fit.log`` beside them.
    jobs : int
        Processes at a time; they share the computer's cores.
    accelerator : str
        Lightning's.

    Raises
    ------
    OptionError
        A training failed; its last line says why. The others that had begun were stopped and can be resumed.
    OutputError
        The folder cannot be written.
    """
    waiting, running, done = dict(networks), {}, set()
    with (
        _termination_interrupts(),
        tqdm(total=len(networks), desc="training", unit="network", disable=None) as bar,
    ):
        try:
            while waiting or running:
                for name in _ready(waiting, done)[: jobs - len(running)]:
                    running[name] = _start(name, waiting.pop(name), runs, jobs, accelerator)
                finished = [name for name, process in running.items() if process.poll() is not None]
                for name in finished:
                    _check(name, running.pop(name), runs)
                    done.add(name)
                    bar.update()
                if not finished:
                    time.sleep(_INTERVAL)
        finally:
            _stop(running)


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM end the study as Ctrl+C does: by itself it would leave the trainings running alone."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ready(waiting: Mapping[str, FitConfiguration], done: set[str]) -> list[str]:
    """Networks whose starting weights are trained."""
    origins = {name: each.initialize_from for name, each in waiting.items()}
    return [name for name, origin in origins.items() if origin is None or Path(origin).name in done]


def _start(name: str, configuration: FitConfiguration, runs: Path, jobs: int, accelerator: str) -> Popen:
    run = runs / name
    settings = runs / f"{name}.yaml"
    command = [sys.executable, "-m", "trustseg_training", "fit", "--config", str(settings), "-o", str(run)]
    command += ["--accelerator", accelerator, *(["--resume"] if is_run(run) else [])]
    # One number for both libraries: two threads of one beside one of the other wait for each other.
    threads = os.environ.get("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // jobs, 1)))
    try:
        runs.mkdir(parents=True, exist_ok=True)
        settings.write_text(_text(configuration), encoding="utf-8")
        with (runs / f"{name}.{LOG}").open("a", encoding="utf-8") as log:
            return Popen(
                command,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **os.environ},
            )
    except OSError as error:
        raise output_error(runs, error, "choose another folder") from error


def _text(configuration: FitConfiguration) -> str:
    """The configuration as `fit --config` reads it."""
    names = [field.name for field in fields(configuration)]
    return "".join(f"{name}: {to_yaml(getattr(configuration, name))}\n" for name in names)


def _check(name: str, process: Popen, runs: Path) -> None:
    if process.returncode == 0:
        return
    log = runs / f"{name}.{LOG}"
    printed = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
    raise OptionError(f"{name}: the training ended with code {process.returncode}: {printed[-1]} (see {log})")


def _stop(running: Mapping[str, Popen]) -> None:
    """End the processes that still train; their last checkpoints stay."""
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait()
