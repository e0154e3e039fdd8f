"""The stages of a segmentation: their times, progress and cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from TrustSegLib.inference.plan import Plan


class Cancelled(Exception):  # not an error: the user asked for it
    """The user stopped the work; there is no result."""


class Progress(NamedTuple):
    """How far the work is: `done` of `total` parts of a stage."""

    stage: str
    done: int
    total: int


ProgressCallback = Callable[[Progress], None]
CancelledCallback = Callable[[], bool]
PlanCallback = Callable[["Plan"], None]


class Stages:
    """Times the stages of a segmentation and calls its callbacks.

    Parameters
    ----------
    progress : callable, optional
        Called with a `Progress`.
    cancelled : callable, optional
        True stops the work.
    planned : callable, optional
        Called with the `Plan` before the network runs.
    times : dict of str to float, optional
        Of stages before, to which these are added.

    Attributes
    ----------
    times : dict of str to float
        Seconds of each finished stage.
    """

    def __init__(
        self,
        progress: ProgressCallback | None = None,
        cancelled: CancelledCallback | None = None,
        planned: PlanCallback | None = None,
        times: Mapping[str, float] | None = None,
    ) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self._planned = planned
        self.times = dict(times or {})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; raises Cancelled instead of starting it when the user has stopped the work."""
        self.check()
        start = time.perf_counter()
        yield
        self.times[name] = self.times.get(name, 0.0) + time.perf_counter() - start

    def cancelled(self) -> bool:
        """Whether the user has stopped the work."""
        return self._cancelled is not None and self._cancelled()

    def check(self) -> None:
        """Raise Cancelled when the user has stopped the work."""
        if self.cancelled():
            raise Cancelled

    def report(self, name: str, done: int, total: int) -> None:
        """Report that `done` of `total` parts of a stage are done."""
        if self._progress is not None:
            self._progress(Progress(name, done, total))

    def plan(self, plan: Plan) -> None:
        """Tell what the work will be."""
        if self._planned is not None:
            self._planned(plan)
