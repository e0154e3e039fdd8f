"""How far a run is, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

SHARES = {"prepare": 0.03, "predict": 0.90, "restore": 0.06, "measure": 0.01}
"""Of the whole run; rough, for the network's pass outweighs the rest."""

LEAST_INTERVAL = 0.05
"""Seconds between two reports of the same stage: nobody can read more."""


class Step(NamedTuple):
    """Stage that is going on, fraction of the whole run that is done, seconds that remain if known."""

    stage: str
    fraction: float
    remaining_seconds: float | None


class Estimate:
    """From the progress of stages to that of the run.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fraction = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin anew, such as with smaller patches: the rest of the bar is then the whole run."""
        self._base = self._fraction
        self._stage = "prepare"
        self._stage_start = self._clock()
        self._last_report = -float("inf")
        self._seconds_per_share: float | None = None

    def update(self, stage: str, done: int, total: int) -> Step | None:
        """Take a report of a stage.

        Parameters
        ----------
        stage : str
            A key of `SHARES`.
        done, total : int
            Parts of the stage.

        Returns
        -------
        Step or None
            None when the last one was told just now.
        """
        now = self._clock()
        self._enter(stage, now)
        part = done / total
        if stage == "predict":
            self._seconds_per_share = (now - self._stage_start) / (SHARES["predict"] * part)
        if part < 1.0 and now - self._last_report < LEAST_INTERVAL:
            return None
        self._last_report = now
        run = min(1.0, _before(stage) + SHARES[stage] * part)
        self._fraction = max(self._fraction, self._base + (1.0 - self._base) * run)
        remaining = None if self._seconds_per_share is None else (1.0 - run) * self._seconds_per_share
        if part >= 1.0 and (following := _following(stage)):
            self._enter(following, now)
        return Step(self._stage, self._fraction, remaining)

    def _enter(self, stage: str, now: float) -> None:
        if stage != self._stage:
            self._stage, self._stage_start = stage, now


def _before(stage: str) -> float:
    """Share of all stages before one."""
    names = list(SHARES)
    return sum(SHARES[name] for name in names[: names.index(stage)])


def _following(stage: str) -> str | None:
    names = list(SHARES)
    return names[names.index(stage) + 1] if stage != names[-1] else None
