"""What the worker does: load a model and keep it, segment, hand over the result. Imports PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import Cancelled as InferenceCancelled
from TrustSegLib.inference import Roi, SegmentationResult, SegmentOptions, choose_device, segment
from TrustSegLib.report import report_json
from TrustSegLib.version import __version__
from TrustSegLib.worker.arrays import read_array, write_array
from TrustSegLib.worker.devices import list_devices
from TrustSegLib.worker.estimate import Estimate
from TrustSegLib.worker.memory import OutOfMemory, Rung, rungs, segment_within_memory
from TrustSegLib.worker.models import LoadedModel, WarmModel
from TrustSegLib.worker.protocol import Cancelled, ProtocolError

if TYPE_CHECKING:
    from TrustSegLib.inference import Progress
    from TrustSegLib.worker.channel import Channel
    from TrustSegLib.worker.folder import PrivateFolder

SEED = 0
"""As the command line's default: the same image gives the same mask."""


class Workshop:
    """Does the jobs of one client.

    Parameters
    ----------
    channel : Channel
        Where progress goes.
    folder : PrivateFolder
        Where arrays lie.
    """

    def __init__(self, channel: Channel, folder: PrivateFolder) -> None:
        self._channel = channel
        self._folder = folder
        self._models = WarmModel()

    def ready(self) -> dict[str, Any]:
        """Message that the process is warm."""
        devices = [dataclasses.asdict(device) for device in list_devices()]
        return {"type": "ready", "version": __version__, "torch": torch.__version__, "devices": devices}

    def warm(self, message: dict[str, Any]) -> dict[str, Any]:
        """Load a model and bring it to its device; the message that says so.

        Raises
        ------
        TrustSegError
            When the model or the device cannot be used.
        """
        device = choose_device(str(message.get("device", "auto")))
        model = self._load(str(message.get("model")))
        try:
            model.network().to(device)
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(f"{device} has no memory for {model.title}; close other programs") from error
        return {"type": "log", "text": f"{model.title} is ready on {device}"}

    def segment(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Segment an image; the message that announces the result.

        Raises
        ------
        Cancelled
            When `cancelled` said so.
        TrustSegError
            When the image, the model or an option cannot be used, or memory does not suffice.
        OSError
            When the disk is full.
        """
        try:
            job = _Job(message, self._channel)
            volume, options = job.read(self._folder)
        except (KeyError, TypeError) as error:
            raise ProtocolError(f"a request is not understood ({error!r})") from error
        job.started()
        model = self._load(job.model)
        try:
            result = job.segment(volume, model, options, cancelled)
        except InferenceCancelled as error:
            raise Cancelled from error
        return self._hand_over(job, result, options, cancelled)

    def _load(self, name: str) -> LoadedModel:
        model, fresh = self._models.get(name)
        if fresh:
            self._channel.send({"type": "log", "text": f"{model.title} loaded"})
        return model

    def _hand_over(
        self,
        job: _Job,
        result: SegmentationResult,
        options: SegmentOptions,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        labels = f"{job.id}-labels.npy"
        maps = {name: f"{job.id}-map-{number}.npy" for number, name in enumerate(options.maps)}
        arrays = {labels: result.labels} | {file: result.maps[name] for name, file in maps.items()}
        for file, volume in arrays.items():
            if cancelled():
                raise Cancelled
            write_array(self._folder.path / file, volume.array[0])
        report = report_json(result, job.image_name, job.command(options))
        return {
            "type": "finished",
            "id": job.id,
            "labels": labels,
            "maps": maps,
            "report": report,
            "notices": job.notices,
        }


class _Job:
    """One request while it is worked on."""

    def __init__(self, message: dict[str, Any], channel: Channel) -> None:
        self.id = str(message["id"])
        self.model = str(message["model"])
        self.image_name = str(message["image_name"]) or "image"
        self.notices: list[str] = []
        self._message = message
        self._channel = channel
        self._estimate = Estimate()

    def read(self, folder: PrivateFolder) -> tuple[Volume, SegmentOptions]:
        """Image and options; tells the client that they are here."""
        message = self._message
        roi = message["roi"]
        options = SegmentOptions(
            device=str(message["device"]),
            maps=tuple(map(str, message["maps"])),
            roi=None if roi is None else Roi.parse(str(roi)),
        )
        array = _read_image(folder, str(message["array"]))
        self._channel.send({"type": "accepted", "id": self.id})
        try:
            volume = Volume(array, *(tuple(message[name]) for name in ("spacing", "origin", "direction")))
        except ValueError as error:
            raise ImageError(f"the image cannot be used: {error}") from error
        return volume, options

    def segment(
        self, volume: Volume, model: LoadedModel, options: SegmentOptions, cancelled: Callable[[], bool]
    ) -> SegmentationResult:
        """Segment, with less memory at a time when there is not enough."""
        device = str(choose_device(options.device))

        def attempt(rung: Rung) -> SegmentationResult:
            self._estimate.restart()
            torch.manual_seed(SEED)
            changed = dataclasses.replace(options, device=rung.device, batch_size=rung.batch_size)
            return segment(volume, model.with_patch(rung.patch_size), changed, self._progressed, cancelled)

        patch_size = model.description.input.patch_size
        ladder = rungs(device, options.batch_size, patch_size, model.size_divisors)
        result = segment_within_memory(attempt, ladder, self._announce)
        case = result.case
        return dataclasses.replace(
            result, case=dataclasses.replace(case, warnings=(*case.warnings, *self.notices))
        )

    def command(self, options: SegmentOptions) -> str:
        """What the report tells of how it was made."""
        roi = f" --roi={options.roi}" if options.roi is not None else ""
        maps = ",".join(options.maps)
        how = f"--device {options.device} --maps {maps} --seed {SEED}{roi}"
        return f"worker: segment --model {self.model} {how}"

    def started(self) -> None:
        """Say that the work has begun."""
        self._send_progress("load", 0.0, None)

    def _progressed(self, progress: Progress) -> None:
        if (step := self._estimate.update(progress.stage, progress.done, progress.total)) is not None:
            self._send_progress(step.stage, step.fraction, step.remaining_seconds)

    def _send_progress(self, stage: str, fraction: float, remaining: float | None) -> None:
        message = {"stage": stage, "fraction": fraction, "remaining_seconds": remaining}
        self._channel.send({"type": "progress", "id": self.id, **message})

    def _announce(self, text: str) -> None:
        self.notices.append(text)
        self._channel.send({"type": "announced", "id": self.id, "text": text})


def _read_image(folder: PrivateFolder, name: str) -> np.ndarray:
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ProtocolError(f"{name!r} is not the name of a file in the private folder")
    try:
        return read_array(folder.path / name)
    except (OSError, ValueError, EOFError) as error:
        raise ProtocolError(f"{name} cannot be read ({error})") from error
