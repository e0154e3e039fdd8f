"""Segmentation of one image, from request to result, with progress and remaining time.

Imports PyTorch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from TrustSegLib.bundle import load_known_models
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import Roi, SegmentationResult, SegmentOptions, choose_model, segment
from TrustSegLib.inference.memory import within_memory
from TrustSegLib.worker.arrays import read_array
from TrustSegLib.worker.protocol import ProtocolError

if TYPE_CHECKING:
    from TrustSegLib.inference import Choice, Progress
    from TrustSegLib.inference.plan import Plan
    from TrustSegLib.worker.folder import PrivateFolder
    from TrustSegLib.worker.server.channel import Channel
    from TrustSegLib.worker.server.loaded_model import LoadedModel


SEED = 0
"""As the command line's default: the same image gives the same mask."""

SHARES = {"prepare": 0.03, "predict": 0.90, "restore": 0.06, "measure": 0.01}
"""Of the whole run; rough, as the network dominates."""
SEARCH_SHARE = 0.4
"""Of a run that begins with a search: the shares above are those of its rest."""
MIN_INTERVAL = 0.05
"""Seconds between two reports of the same stage: faster ones cannot be read."""


class SegmentJob:
    """One request that is being processed."""

    def __init__(self, message: dict[str, Any], channel: Channel) -> None:
        self.id = str(message["id"])
        self.model = str(message["model"])
        self.image_name = str(message["image_name"]) or "image"
        self.notices: list[str] = []
        self._message = message
        self._channel = channel
        self._estimate = Estimate()

    @property
    def options(self) -> SegmentOptions:
        """Options of the segmentation."""
        roi = self._message["roi"]
        return SegmentOptions(
            device=str(self._message["device"]),
            maps=tuple(map(str, self._message["maps"])),
            roi=None if roi is None else Roi.parse(str(roi)),
        )

    def paths(self, *names: str) -> list[Path]:
        """Paths of the request."""
        return [Path(self._message[name]) for name in names]

    def accepted(self) -> None:
        """Tell the client that its request was received."""
        self._channel.send({"type": "accepted", "id": self.id})

    def read(self, folder: PrivateFolder) -> Volume:
        """Read the image and tell the client that it was received."""
        message = self._message
        array = _read_image(folder, str(message["array"]))
        self.accepted()
        try:
            volume = Volume(array, *(tuple(message[name]) for name in ("spacing", "origin", "direction")))
            header = {name: str(message[name]) for name in ("modality", "body_part")}
            return dataclasses.replace(volume, **header)
        except ValueError as error:
            raise ImageError(f"the image cannot be used: {error}") from error

    def choose_model(self, volume: Volume, cancelled: Callable[[], bool]) -> Choice:
        """Choose the model that fits an image."""
        models, unusable = load_known_models()
        return choose_model(
            volume,
            models,
            unusable=unusable,
            has_roi=self.options.roi is not None,
            progress=self._progressed,
            cancelled=cancelled,
        )

    def segment(
        self,
        volume: Volume,
        model: LoadedModel,
        options: SegmentOptions,
        cancelled: Callable[[], bool],
        choice: Choice | None = None,
    ) -> SegmentationResult:
        """Segment, with fallbacks when memory runs out."""
        return within_memory(
            self._attempt,
            volume,
            model,
            options,
            seed=SEED,
            announce=self._announce,
            progress=self._progressed,
            cancelled=cancelled,
            planned=self._planned,
            choice=choice,
        )

    def _attempt(self, *arguments: Any, **callbacks: Any) -> SegmentationResult:
        self._estimate.restart()
        return segment(*arguments, **callbacks)

    def command(self, options: SegmentOptions) -> str:
        """Command line of the report's provenance."""
        roi = f" --roi={options.roi}" if options.roi is not None else ""
        maps = ",".join(options.maps)
        how = f"--device {options.device} --maps {maps} --seed {SEED}{roi}"
        return f"worker: segment --model {self.model} {how}"

    def started(self) -> None:
        """Report that the segmentation has started."""
        self._send_progress("load", 0.0, None)

    def _progressed(self, progress: Progress) -> None:
        if (step := self._estimate.update(progress.stage, progress.done, progress.total)) is not None:
            self._send_progress(step.stage, step.fraction, step.remaining_seconds)

    def _send_progress(self, stage: str, fraction: float, remaining: float | None) -> None:
        message = {"stage": stage, "fraction": fraction, "remaining_seconds": remaining}
        self._channel.send({"type": "progress", "id": self.id, **message})

    def _planned(self, plan: Plan) -> None:
        if plan.is_long:
            self._tell(str(plan))

    def _announce(self, text: str) -> None:
        self.notices.append(text)
        self._tell(text)

    def _tell(self, text: str) -> None:
        self._channel.send({"type": "announced", "id": self.id, "text": text})


@contextmanager
def protocol_errors() -> Iterator[None]:
    """Turn a missing or malformed field of a request into a `ProtocolError`."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise ProtocolError(f"a request is not understood ({error!r})") from error


def _read_image(folder: PrivateFolder, name: str) -> np.ndarray:
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ProtocolError(f"{name!r} is not the name of a file in the private folder")
    try:
        return read_array(folder.path / name)
    except (OSError, ValueError, EOFError) as error:
        raise ProtocolError(f"{name} cannot be read ({error})") from error


class Step(NamedTuple):
    """Current stage, completed fraction of the run, and remaining seconds if known."""

    stage: str
    fraction: float
    remaining_seconds: float | None


class Estimate:
    """Converts the progress of stages to that of the run.

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
        """Start over, such as with smaller patches: the rest of the bar stands for the whole run."""
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
            A key of `SHARES`, or `locate`.
        done, total : int
            Parts of the stage.

        Returns
        -------
        Step or None
            None when the last report was less than `MIN_INTERVAL` ago.
        """
        now = self._clock()
        self._enter(stage, now)
        part = done / total
        if stage == "locate":
            return self._searched(part, now)
        if stage == "predict":
            self._seconds_per_share = (now - self._stage_start) / (SHARES["predict"] * part)
        if part < 1.0 and now - self._last_report < MIN_INTERVAL:
            return None
        self._last_report = now
        run = min(1.0, _before(stage) + SHARES[stage] * part)
        self._fraction = max(self._fraction, self._base + (1.0 - self._base) * run)
        remaining = None if self._seconds_per_share is None else (1.0 - run) * self._seconds_per_share
        if part >= 1.0 and (following := _following(stage)):
            self._enter(following, now)
        return Step(self._stage, self._fraction, remaining)

    def _searched(self, part: float, now: float) -> Step | None:
        """Take a report of the search; the bar's rest stands for what follows it."""
        if part < 1.0 and now - self._last_report < MIN_INTERVAL:
            return None
        self._last_report = now
        self._fraction = max(self._fraction, self._base + (1.0 - self._base) * SEARCH_SHARE * part)
        if part >= 1.0:
            self.restart()
        return Step(self._stage, self._fraction, None)

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
