"""From a data set to a plan that fits the computer and the budget: settings of both networks and a record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from trustseg_training.calibration import DEFAULT
from trustseg_training.calibration.fitting import LEAST_PATIENTS
from trustseg_training.config import FitConfiguration
from trustseg_training.config.memory import machine_bytes
from trustseg_training.config.planning import Plan, choose, place_of
from trustseg_training.config.yaml_file import settings_of_preset
from trustseg_training.data import PatientData
from trustseg_training.dataset.fingerprint import Fingerprint
from trustseg_training.dataset.fingerprint import measure as measure_data
from trustseg_training.training import Times, measure
from TrustSegLib.errors import OptionError

from .fitted_plan import CACHE, ENOUGH_STEPS, PRESET, TWIN, VDP, FittedPlan
from .record import Record, Request, files_digest, write_details
from .schedule import Costs, Sizes, schedule

#: Tried where too few steps fit: smaller batches and, so often, patches of half the memory.
_SMALL_BATCH, _TRIES = 2, 2

#: Of the budget, for measuring steps, at most; of the memory of the computer or the GPU, for a step.
#: More than `_MOST_GIB` takes a CPU too long.
_MEASURING_SHARE, _MEASURING_SECONDS = 0.005, 6.0
_MEMORY_SHARE, _GPU_SHARE, _MOST_GIB = 0.5, 0.8, 8.0

_MODALITIES = {
    "MR": ("MR", "MRI", "T1", "T1W", "T1C", "T1GD", "T1CE", "T2", "T2W", "FLAIR", "DWI", "ADC"),
    "CT": ("CT",),
    "PT": ("PT", "PET"),
}


def make_plan(request: Request, accelerator: str) -> tuple[Record, list[str]]:
    """Check the data, measure steps, choose all settings, and write them into the work folder.

    Parameters
    ----------
    request : Request
        Its work folder exists.
    accelerator : str
        Lightning's, ``cpu`` or ``gpu``.

    Returns
    -------
    tuple of Record and list of str
        The record, saved, and what to print.

    Raises
    ------
    DatasetError
        Some files cannot be used: every one, with the reason.
    TrustSegError
        The data set as a whole cannot be used, or the work folder not be written.
    """
    began = time.monotonic()
    fingerprint = measure_data(request.data)
    reading = time.monotonic() - began
    fitted = _fit_to_computer(request, fingerprint, accelerator, began, reading)
    fitted.write_settings()
    record = Record(
        data=str(request.data.resolve()),
        minutes=request.minutes,
        name=request.name,
        modality=request.modality or modality_of_channels(fingerprint.channels),
        files=files_digest(request.data),
        cases=fitted.schedule.cases,
        validation=fitted.sizes.validation,
        seconds=fitted.schedule.seconds,
        warnings=(*fitted.plan.warnings, *fitted.warnings()),
    )
    write_details(request, record)
    record.save(request.work)
    return record, list(fitted.lines(accelerator))


def modality_of_channels(channels: tuple[str, ...]) -> str | None:
    """DICOM's modality where the names of all channels say the same one, such as ``MRI`` or ``T1``."""
    found = {_modality(name) for name in channels}
    return found.pop() if len(found) == 1 else None


def _modality(channel: str) -> str | None:
    words = set(channel.upper().replace("-", " ").replace("_", " ").split())
    return next((modality for modality, known in _MODALITIES.items() if words & set(known)), None)


def _fit_to_computer(
    request: Request, fingerprint: Fingerprint, accelerator: str, began: float, reading: float
) -> FittedPlan:
    """Choose, measure, and choose smaller patches while too few steps fit the budget."""
    data: PatientData | None = None
    best: FittedPlan | None = None
    for plan in _smaller_and_smaller(request, fingerprint, _memory_gib(accelerator)):
        cache = str((request.work / CACHE).absolute()) if "cache" in plan.reasons else None
        configuration = replace(plan.configuration, data=str(request.data.absolute()), cache=cache)
        if data is None:
            data = PatientData(configuration)
            data.setup()
        try:
            costs = Costs(reading, *_measured(configuration, data, accelerator, request.minutes))
        except torch.cuda.OutOfMemoryError:
            continue
        sizes = _sizes(data, plan, fingerprint)
        left = 60 * request.minutes - (time.monotonic() - began)
        found = schedule(max(left, 0.0), costs, sizes)
        fitted = FittedPlan(request, fingerprint, plan, found, costs, sizes)
        if best is None or fitted.rank > best.rank:
            best = fitted
        if fitted.steps[TWIN] >= ENOUGH_STEPS:
            break
    if best is None:
        raise OptionError("the GPU has too little memory for a training step; free it, or hide the GPU")
    return best


def _smaller_and_smaller(request: Request, fingerprint: Fingerprint, gib: float) -> Iterator[Plan]:
    """Plans whose step does less and less: two patches instead of four, then smaller ones."""
    preset = {**settings_of_preset(PRESET), "objective": "auto", "augmentation": "noise"}
    place = place_of(request.data, request.work / f"{VDP}.yaml")
    plan = choose(place, fingerprint, preset, gib)
    yield plan
    preset["batch_size"] = min(plan.configuration.batch_size, _SMALL_BATCH)
    for part in (1.0, *_TRIES * (0.5,)):
        try:
            smaller = choose(place, fingerprint, preset, part * plan.step_bytes / 2**30)
        except OptionError:  # no patch is small enough
            return
        if smaller.configuration != plan.configuration:
            plan = replace(smaller, reasons=smaller.reasons | {"batch_size": "For steps that are faster."})
            yield plan


def _memory_gib(accelerator: str) -> float:
    if accelerator == "gpu":
        return _GPU_SHARE * torch.cuda.mem_get_info()[0] / 2**30
    machine = machine_bytes()
    return _MOST_GIB if machine is None else min(_MEMORY_SHARE * machine / 2**30, _MOST_GIB)


def _measured(
    configuration: FitConfiguration, data: PatientData, accelerator: str, minutes: float
) -> tuple[Times, Times]:
    seconds = min(_MEASURING_SHARE * 60 * minutes, _MEASURING_SECONDS)
    twin = replace(configuration, family="deterministic")
    first, second = (measure(each, data, accelerator, seconds) for each in (twin, configuration))
    return first, second


def _sizes(data: PatientData, plan: Plan, fingerprint: Fingerprint) -> Sizes:
    validation = [case for case in data.cases if case.split == "val"]
    patients: set[str] = set()
    least = len(validation)
    for place, case in enumerate(validation, start=1):
        patients.add(case.patient)
        if len(patients) == LEAST_PATIENTS:
            least = place
            break
    c = plan.configuration
    return Sizes(
        images=fingerprint.images,
        validation=len(validation),
        least=least,
        conditions=1 + len(DEFAULT),
        steps=max(len(data.samples["train"]) * c.patches_per_patient // c.batch_size, 1),
        megavoxels=float(np.prod(fingerprint.sizes, axis=1).mean()) / 1e6,
    )
