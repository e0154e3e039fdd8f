"""Console output of the commands: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from TrustSegLib.inference import Progress
    from TrustSegLib.inference.plan import Plan


EXIT_FIXABLE = 2
"""Exit code for errors that the user can fix."""
WORTH_SAYING, LONG = 60.0, 3600.0
"""Seconds left from which the time is said, and from which what shortens it is said too."""


def print_json(value: Any) -> None:
    """Print one JSON value on one line, in ASCII, which every encoding of a terminal has."""
    print(json.dumps(value, allow_nan=False), flush=True)


def print_error(message: str, as_json: bool, **details: str) -> None:
    """Print an error on one line of standard error; with `as_json` also on standard output."""
    line = " ".join(message.splitlines())
    print(f"trustseg: error: {line}", file=sys.stderr)
    if as_json:
        print_json({"error": line, **details})


class ProgressBar:
    """A bar on standard error that follows the stages of a segmentation; give it as `progress`.

    A long work begins with a line of what it will be. Once the network's speed was measured on this computer,
    a line says how long the rest takes, unless that is under a minute.

    Parameters
    ----------
    title : str
        Name of the image.
    shown : bool
        Whether to draw it; when standard error is not a terminal, only the line is written.
    clock : callable
        Seconds.
    """

    def __init__(self, title: str, shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        hidden = not (shown and sys.stderr.isatty())
        self._title = title
        self._stage = ""
        self._shown = shown
        self._clock = clock
        self._measured: list[tuple[float, int]] = []  # time and patches done, of the first two reports
        self._bar = tqdm(disable=hidden, file=sys.stderr, leave=False, dynamic_ncols=True)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._bar.reset(total=progress.total)
            self._bar.set_description_str(f"{self._title}: {progress.stage}")
        self._bar.update(progress.done - self._bar.n)
        if progress.stage == "predict" and len(self._measured) < 2:
            self._measure(progress)

    def plan(self, plan: Plan) -> None:
        """Say what the work will be, if it is long."""
        if plan.is_long:
            self.say(str(plan))

    def say(self, text: str) -> None:
        """Write a line of its own, such as of a fallback; nothing if the bar is not to be shown."""
        if self._shown:
            self._bar.write(f"{self._title}: {text}", file=sys.stderr)

    def _measure(self, progress: Progress) -> None:
        """Say the time left by the second report: the first batch also waits for memory and libraries."""
        self._measured.append((self._clock(), progress.done))
        if len(self._measured) < 2 or not self._shown:
            return
        (start, before), (now, done) = self._measured
        left = (progress.total - done) * (now - start) / (done - before)
        if left >= WORTH_SAYING:
            self.say(_time_left(left))


def _time_left(seconds: float) -> str:
    if seconds < LONG:
        return f"about {round(seconds / 60)} min left, by the speed of its first patches"
    remedy = "a region with --roi or a GPU with --device cuda takes less"
    return f"about {seconds / 3600:.1f} h left, by the speed of its first patches; {remedy}"
