"""One line that says which step runs, how far it is, and how long everything will still take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from trustseg_training.progress import reported_to

from .schedule import STEPS

#: Seconds from one line to the next: on a terminal, where the line is written over, and in a log.
_ON_TERMINAL, _IN_LOG = 1.0, 60.0

#: So many seconds are believed to have gone as expected: the first ones say little about the others.
_BELIEVED = 30.0

_MINUTE, _HOUR = 60, 3600


class TimeLeft:
    """Expected seconds of steps, corrected by how the work goes.

    Parameters
    ----------
    expected : mapping of str to float
        Seconds of each step that is not finished, in their order.
    clock : callable
        Seconds of a clock.
    """

    def __init__(self, expected: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._expected, self._clock = dict(expected), clock
        self._gone = self._lasted = 0.0  # of the steps that are finished: as expected, and in truth
        self._step: str | None = None
        self._begun, self._share = 0.0, 0.0
        self._first: float | None = None

    def begin(self, step: str) -> None:
        """A step begins."""
        self._step, self._first, self._begun = step, None, self._clock()

    def reached(self, share: float) -> None:
        """The share of the step that is done, 0 to 1.

        What came before the first such share, images that are read or an earlier process, is no measure of
        the pace.
        """
        if self._first is None:
            self._first, self._begun = share, self._clock()
        self._share = share

    def end(self) -> None:
        """The step is finished."""
        gone, lasted = self._of_step(share=1.0)
        self._gone, self._lasted = self._gone + gone, self._lasted + lasted
        self._expected.pop(self._step)
        self._step = None

    def seconds(self) -> float:
        """Left of all steps, at the pace that they have had so far."""
        if self._step is None:
            share, gone, lasted, running = 0.0, 0.0, 0.0, 0.0
        else:
            running = self._expected[self._step]
            waited = (self._clock() - self._begun) / max(running, 1e-9)
            share = min(waited, 0.9) if self._first is None else self._share
            gone, lasted = self._of_step(self._share)
        left = sum(self._expected.values()) - running * share
        return left * (self._lasted + lasted + _BELIEVED) / (self._gone + gone + _BELIEVED)

    def _of_step(self, share: float) -> tuple[float, float]:
        """Seconds that the step should have taken since its first share, and those that it took."""
        if self._first is None:
            return 0.0, 0.0
        return self._expected[self._step] * (share - self._first), self._clock() - self._begun


def in_words(seconds: float) -> str:
    """``less than a minute``, ``25 minutes``, ``1 hour 10 minutes``, ``9 hours``, as rough as it is."""
    if seconds < _MINUTE:
        return "less than a minute"
    step = 1 if seconds < 30 * _MINUTE else 5
    minutes = max(round(seconds / _MINUTE / step) * step, 1)
    hours, rest = divmod(minutes, 60)
    if hours >= 6:
        return f"{round(minutes / 60)} hours"
    parts = [(hours, "hour"), (rest, "minute")]
    return " ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in parts if number)


class Display:
    """Writes the line: over itself on a terminal, and once a minute into a log.

    Parameters
    ----------
    time_left : TimeLeft
        Of the steps to come.
    stream : TextIO, optional
        Terminal or log; standard error by default.
    clock : callable
        Seconds of a clock.
    """

    def __init__(
        self,
        time_left: TimeLeft,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left, self._stream, self._clock = time_left, stream or sys.stderr, clock
        self._over_itself = self._stream.isatty()
        self._written, self._width = 0.0, 0

    @contextmanager
    def step(self, step: str, counts: str | None = None) -> Iterator[Callable[[float], None]]:
        """Show a step from its begin to its end.

        Parameters
        ----------
        step : str
            One of `STEPS`.
        counts : str, optional
            Beginning of the title under which the step counts what it does; see `progress.counted`. What
            else it counts is not shown.

        Yields
        ------
        callable
            Takes the share that is done, 0 to 1, of a step that counts in another way.
        """

        def reached(share: float) -> None:
            self._left.reached(share)
            if self._clock() - self._written >= (_ON_TERMINAL if self._over_itself else _IN_LOG):
                self._write(step, f" {share:.0%} done,")

        def counted(title: str, share: float) -> None:
            if counts is not None and title.startswith(counts):
                reached(share)

        self._left.begin(step)
        self._write(step, "")
        try:
            with reported_to(counted):
                yield reached
        finally:
            if self._over_itself:
                print(file=self._stream, flush=True)
                self._width = 0
        self._left.end()

    def _write(self, step: str, done: str) -> None:
        place = f"[{list(STEPS).index(step) + 1}/{len(STEPS)}]"
        line = f"{place} {STEPS[step]}:{done} {in_words(self._left.seconds())} left in all"
        self._written = self._clock()
        if self._over_itself:
            print(f"\r{line.ljust(self._width)}", end="", file=self._stream, flush=True)
            self._width = len(line)
        else:
            print(line, file=self._stream, flush=True)
