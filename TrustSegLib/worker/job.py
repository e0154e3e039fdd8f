"""What the worker does: load a model and keep it, segment, hand over the result. Imports PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from TrustSegLib.inference import Cancelled as InferenceCancelled
from TrustSegLib.inference import SegmentationResult, SegmentOptions, choose_device
from TrustSegLib.report import report_json
from TrustSegLib.version import __version__
from TrustSegLib.worker.arrays import write_array
from TrustSegLib.worker.batch_jobs import BatchCase, FilePlace, plan_batch, segment_file, write_tables
from TrustSegLib.worker.case_job import read_case
from TrustSegLib.worker.devices import list_devices
from TrustSegLib.worker.memory import OutOfMemory
from TrustSegLib.worker.models import LoadedModel, WarmModel
from TrustSegLib.worker.protocol import Cancelled
from TrustSegLib.worker.segment_job import SegmentJob, understood

if TYPE_CHECKING:
    from TrustSegLib.worker.channel import Channel
    from TrustSegLib.worker.folder import PrivateFolder


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
        with understood():
            job = SegmentJob(message, self._channel)
            volume, options = job.read(self._folder), job.options
        job.started()
        model = self._load(job.model)
        try:
            result = job.segment(volume, model, options, cancelled)
        except InferenceCancelled as error:
            raise Cancelled from error
        return self._hand_over(job, result, options, cancelled)

    def segment_file(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Segment an image of a batch into a folder; the message that it is done. Raises as `segment`."""
        with understood():
            job = SegmentJob(message, self._channel)
            options = job.options
            place = FilePlace(*job.paths("image_name", "folder", "staging"))
        job.accepted()
        job.started()
        model = self._load(job.model)
        try:
            segment_file(job, place, model, options, cancelled)
        except InferenceCancelled as error:
            raise Cancelled from error
        return _values(message, {"notices": job.notices})

    def plan_batch(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Look for the images of a folder; the message that names them."""
        with understood():
            images, output = Path(message["images"]), Path(message["output"])
        self._accept(message)
        return _values(message, {"targets": plan_batch(images, output)})

    def write_tables(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Write the tables of a batch; the message with their rows."""
        with understood():
            folder, cases = Path(message["folder"]), [BatchCase(*case) for case in message["cases"]]
        self._accept(message)
        return _values(message, {"cases": write_tables(folder, cases)})

    def read_case(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Read an image and its results; the message that hands them over."""
        with understood():
            image, folder = Path(message["image"]), Path(message["folder"])
        self._accept(message)
        case = read_case(image, folder)
        files = {name: f"{message['id']}-{number}.npy" for number, name in enumerate(case.arrays)}
        for name, array in case.arrays.items():
            if cancelled():
                raise Cancelled
            write_array(self._folder.path / files[name], array)
        return {"type": "finished", "id": message["id"], **case.message(files)}

    def _accept(self, message: dict[str, Any]) -> None:
        self._channel.send({"type": "accepted", "id": message["id"]})

    def _load(self, name: str) -> LoadedModel:
        model, fresh = self._models.get(name)
        if fresh:
            self._channel.send({"type": "log", "text": f"{model.title} loaded"})
        return model

    def _hand_over(
        self,
        job: SegmentJob,
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


def _values(message: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The message of an answer without arrays."""
    return {"type": "finished", "id": message["id"], "answer": answer}
