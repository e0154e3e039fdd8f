"""Handlers of the worker's requests, and the devices that it offers. Imports PyTorch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from TrustSegLib.contract import AUTO
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import Cancelled as InferenceCancelled
from TrustSegLib.inference import Choice, SegmentationResult, SegmentOptions, choose_device
from TrustSegLib.inference.memory import OutOfMemory
from TrustSegLib.report import report_json
from TrustSegLib.version import __version__
from TrustSegLib.worker.arrays import write_array
from TrustSegLib.worker.protocol import Cancelled, CaseOutcome, Device
from TrustSegLib.worker.server.batch import (
    FilePlace,
    plan_batch,
    read_case,
    segment_file,
    write_tables,
)
from TrustSegLib.worker.server.loaded_model import LoadedModel, WarmModel
from TrustSegLib.worker.server.segmentation import SegmentJob, protocol_errors

if TYPE_CHECKING:
    from TrustSegLib.worker.folder import PrivateFolder
    from TrustSegLib.worker.server.channel import Channel

MB = 1_000_000


class JobHandlers:
    """Handles the requests of one client: a method for each type of message.

    Parameters
    ----------
    channel : Channel
        Where progress goes.
    folder : PrivateFolder
        Where arrays are exchanged.
    """

    def __init__(self, channel: Channel, folder: PrivateFolder) -> None:
        self._channel = channel
        self._folder = folder
        self._models = WarmModel()

    def ready(self) -> dict[str, Any]:
        """Message that the process is ready, with its devices."""
        devices = [dataclasses.asdict(device) for device in list_devices()]
        return {"type": "ready", "version": __version__, "torch": torch.__version__, "devices": devices}

    def warm(self, message: dict[str, Any]) -> dict[str, Any]:
        """Load a model and move it to its device; return the log message.

        Raises
        ------
        TrustSegError
            When the model or the device cannot be used.
        """
        device = choose_device(str(message.get("device", "auto")))
        name = str(message.get("model"))
        if name == AUTO:
            # Which one it will be is not known before there is an image.
            return {"type": "log", "text": f"ready on {device}"}
        model = self._load(name)
        try:
            model.network().to(device)
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(f"{device} has no memory for {model.title}; close other programs") from error
        return {"type": "log", "text": f"{model.title} is ready on {device}"}

    def segment(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Segment an image; return the message with the result.

        Raises
        ------
        Cancelled
            When `cancelled` returned True.
        TrustSegError
            When the image, the model or an option cannot be used, or memory does not suffice.
        OSError
            When the disk is full.
        """
        with protocol_errors():
            job = SegmentJob(message, self._channel)
            volume, options = job.read(self._folder), job.options
        job.started()
        try:
            model, choice = self._model_for(job, cancelled, volume)
            result = job.segment(volume, model, options, cancelled, choice)
        except InferenceCancelled as error:
            raise Cancelled from error
        return self._write_result(job, result, options, cancelled)

    def segment_file(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Segment an image of a batch into a folder; return the final message. Raises as `segment`."""
        with protocol_errors():
            job = SegmentJob(message, self._channel)
            options = job.options
            place = FilePlace(*job.paths("image_name", "folder", "staging"))
        job.accepted()
        job.started()
        try:
            segment_file(job, place, partial(self._model_for, job, cancelled), options, cancelled)
        except InferenceCancelled as error:
            raise Cancelled from error
        return _values(message, {"notices": job.notices})

    def plan_batch(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """List the images of a folder; return the message with them."""
        with protocol_errors():
            images, output = Path(message["images"]), Path(message["output"])
        self._accept(message)
        return _values(message, {"targets": plan_batch(images, output)})

    def write_tables(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Write the tables of a batch; return the message with their rows."""
        with protocol_errors():
            folder, cases = Path(message["folder"]), [CaseOutcome(*case) for case in message["cases"]]
        self._accept(message)
        return _values(message, {"cases": write_tables(folder, cases)})

    def read_case(self, message: dict[str, Any], cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Read an image and its results; return the message with them."""
        with protocol_errors():
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

    def _model_for(
        self, job: SegmentJob, cancelled: Callable[[], bool], volume: Volume
    ) -> tuple[LoadedModel, Choice | None]:
        """The model that was asked for, or the one that fits the image, and then why."""
        if job.model != AUTO:
            return self._load(job.model), None
        choice = job.choose_model(volume, cancelled)
        return self._load(str(choice.model.path)), choice

    def _load(self, name: str) -> LoadedModel:
        model, fresh = self._models.get(name)
        if fresh:
            self._channel.send({"type": "log", "text": f"{model.title} loaded"})
        return model

    def _write_result(
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


def _values(message: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Message with a result that has no arrays."""
    return {"type": "finished", "id": message["id"], "answer": values}


def list_devices() -> list[Device]:
    """Return the CPU and every CUDA device that PyTorch finds."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [_cpu(), *(_cuda(index) for index in range(count))]


def _cpu() -> Device:
    return Device("cpu", f"CPU, {os.cpu_count()} cores", None, _main_memory_mb())


def _main_memory_mb() -> int | None:
    """Total main memory; None where `sysconf` does not report it, as on Windows."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MB


def _cuda(index: int) -> Device:
    title = torch.cuda.get_device_name(index)
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError:  # another program has the device for itself, or has filled it
        return Device(f"cuda:{index}", title)
    return Device(f"cuda:{index}", title, free // MB, total // MB)
