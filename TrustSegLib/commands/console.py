"""Console output of the commands: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from TrustSegLib.inference import Progress


EXIT_FIXABLE = 2
"""Exit code for errors that the user can fix."""


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

    Parameters
    ----------
    title : str
        Name of the image.
    shown : bool
        Whether to draw it; nothing is drawn when standard error is not a terminal.
    """

    def __init__(self, title: str, shown: bool) -> None:
        hidden = not (shown and sys.stderr.isatty())
        self._title = title
        self._stage = ""
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
