"""A folder of images, one after the other, in a worker process; no Qt, no scene, and nothing blocks."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TrustSegLib.contract import AUTO, DEFAULT_MAP
from TrustSegModule.app.models import Model
from TrustSegModule.results.cases import BatchCase, named_cases, names_of

if TYPE_CHECKING:
    from TrustSegLib.worker import (
        CaseOutcome,
        Event,
        Failed,
        Finished,
        PlanBatch,
        SegmentFile,
        Worker,
        WriteTables,
    )


FATAL_KINDS = ("start", "protocol")
"""Failures of the process itself: the next image would fail the same way."""
STAGING_PREFIX = ".trustseg-"


@dataclass(frozen=True)
class BatchTask:
    """What is to be segmented, and how.

    Attributes
    ----------
    images, output : Path
        Folder of the images; folder of the results, made when it is not there.
    model : Model or None
        None: for each image the one that fits it.
    device : str
        "auto", "cpu" or "cuda:N".
    maps : tuple of str
        Which uncertainty maps to make.
    """

    images: Path
    output: Path
    model: Model | None
    device: str = "auto"
    maps: tuple[str, ...] = (DEFAULT_MAP,)


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch.

    Attributes
    ----------
    number, count : int
        Of the image that is worked on, from 1, and how many there are; 0 and 0 before it is known.
    name : str
        As in the list of the cases.
    fraction : float
        Of the whole batch, 0 to 1, by the size of the files.
    remaining_seconds : float or None
        By the rate so far; None until there is something to measure.
    """

    number: int = 0
    count: int = 0
    name: str = ""
    fraction: float = 0.0
    remaining_seconds: float | None = None


class Batch:
    """Segments a folder.

    The tables are written after every image, so that they always match the results on disk.

    Parameters
    ----------
    worker : TrustSegLib.worker.Worker
    task : BatchTask

    Attributes
    ----------
    cases : list of BatchCase
        Those that are over, the worst first.
    ended : bool
        Whether it is over.
    cancelled : bool
        Whether it was stopped.
    failure : Failed or None
        Why it ended before its time.
    """

    def __init__(self, worker: Worker, task: BatchTask) -> None:
        self._worker, self._task = worker, task
        self.cases: list[BatchCase] = []
        self.ended = self.cancelled = False
        self.failure: Failed | None = None
        self._targets: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self._outcomes: list[CaseOutcome] = []
        self._fraction, self._begin = 0.0, 0.0
        self._had_output = task.output.exists()
        self._staging = task.output / f"{STAGING_PREFIX}{secrets.token_hex(4)}"
        self._steps = self._requests()
        self._writing_tables = False

    @property
    def progress(self) -> BatchProgress:
        """Progress of the batch."""
        over, count = len(self._outcomes), len(self._targets)
        if over == count:
            return BatchProgress(over, count, fraction=1.0 if count else 0.0)
        sizes = [target["bytes"] for target in self._targets]
        done = (sum(sizes[:over]) + self._fraction * sizes[over]) / (sum(sizes) or 1)
        elapsed = time.monotonic() - self._begin if self._begin else 0.0
        remaining = elapsed * (1 - done) / done if done > 0 and elapsed > 0 else None
        return BatchProgress(over + 1, count, self._names[self._targets[over]["image"]], done, remaining)

    def start(self) -> None:
        """Start; `poll` continues.

        Raises
        ------
        WorkerError
            The worker cannot be started, or is busy.
        """
        self._worker.submit(next(self._steps))

    def poll(self) -> list[Event]:
        """Continue; return the events that are not about the images.

        Raises
        ------
        WorkerError
            The worker cannot be started again; the batch is over.
        """
        from TrustSegLib.worker import Failed, Finished, Progressed, Stopped

        others: list[Event] = []
        for event in self._worker.poll():
            if isinstance(event, Progressed):
                self._begin = self._begin or time.monotonic()
                self._fraction = event.fraction
            elif isinstance(event, Stopped):
                self._end()
            elif isinstance(event, Finished) or (isinstance(event, Failed) and event.id is not None):
                self._go_on(event)
            else:
                others.append(event)
        return others

    def cancel(self) -> None:
        """Stop; the results of the images that are done stay. `ended` follows within about a second."""
        self.cancelled = True
        # The tables take only a moment, and have to match the results.
        if not self._writing_tables:
            self._worker.cancel()

    def close(self) -> None:
        """End the worker process at once; the results of the images that are done stay."""
        self._worker.close()
        if not self.ended:
            self.cancelled = True
            self._end()

    def _go_on(self, event: Finished | Failed) -> None:
        from TrustSegLib.worker import WorkerError

        try:
            request = self._steps.send(event)
            self._worker.submit(request)
        except StopIteration:
            self._end()
        except WorkerError:
            self._end()
            raise

    def _requests(self) -> Generator[PlanBatch | SegmentFile | WriteTables, Finished | Failed, None]:
        """Requests to the worker, each chosen by the outcome of the last."""
        from TrustSegLib.worker import Failed, PlanBatch

        plan = yield PlanBatch(self._task.images, self._task.output)
        if isinstance(plan, Failed):
            self.failure = plan
            return
        self._targets = plan.result["targets"]
        self._names = names_of([target["image"] for target in self._targets])
        for target in self._targets:
            outcome = yield self._segment(target)
            if isinstance(outcome, Failed) and outcome.kind in FATAL_KINDS:
                self.failure = outcome
                return
            self._note(target, outcome)
            tables = yield self._tables()
            if isinstance(tables, Failed) and tables.kind == "crash":
                tables = yield self._tables()  # by a new process
            self._writing_tables = False
            if isinstance(tables, Failed):
                self.failure = tables
                return
            self.cases = named_cases(tables.result["cases"], self._names)
            if self.cancelled:
                return

    def _segment(self, target: dict[str, Any]) -> SegmentFile:
        from TrustSegLib.worker import SegmentFile

        task = self._task
        staging = self._staging / str(len(self._outcomes))
        places = Path(target["image"]), Path(target["folder"]), staging
        model = AUTO if task.model is None else task.model.path
        return SegmentFile(*places, model, task.device, task.maps)

    def _tables(self) -> WriteTables:
        from TrustSegLib.worker import WriteTables

        self._writing_tables = True
        return WriteTables(self._task.output, self._outcomes)

    def _note(self, target: dict[str, Any], outcome: Finished | Failed) -> None:
        from TrustSegLib.worker import CaseOutcome, Failed

        self._remove_staging()
        self._fraction = 0.0
        failed = isinstance(outcome, Failed)
        folder, error = (None, outcome.message) if failed else (target["folder"], None)
        self._outcomes.append(CaseOutcome(target["image"], folder, error))

    def _end(self) -> None:
        self.ended = True
        self._steps.close()
        self._remove_staging()
        if not self._had_output:
            with suppress(OSError):  # It holds results.
                self._task.output.rmdir()

    def _remove_staging(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
