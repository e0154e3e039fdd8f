"""From a data set to a plan that fits the computer and the budget: settings of both networks and a record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from trustseg_training.calibration import DEFAULT
from trustseg_training.calibration.fitting import LEAST_PATIENTS
from trustseg_training.config import FitConfiguration
from trustseg_training.config.memory import machine_bytes
from trustseg_training.config.planning import Plan, choose, place_of
from trustseg_training.config.template import to_text
from trustseg_training.config.yaml_file import settings_of_preset
from trustseg_training.data import PatientData
from trustseg_training.dataset.fingerprint import Fingerprint
from trustseg_training.dataset.fingerprint import measure as measure_data
from trustseg_training.formatting import count
from trustseg_training.training import Times, measure
from TrustSegLib.errors import OptionError
from TrustSegLib.report.files import write_atomically

from .record import Record, Request, files_digest, write_details
from .schedule import Costs, Epochs, Schedule, Sizes, schedule
from .time_left import in_words

PRESET = "our-3d"

#: Settings files, in the work folder, and what each network has beside the settings that both share.
TWIN, VDP = "twin", "vdp"

#: Folder for prepared images that are larger than the memory, in the work folder.
CACHE = "cache"

#: Fewer steps of the twin make a rough model: smaller batches and patches, whose steps are faster, are tried.
_ENOUGH_STEPS = 600
_SMALL_BATCH, _TRIES = 2, 2

#: With fewer steps, learning the shapes comes before learning them in noise.
_STEPS_FOR_NOISE = 1500

#: An average of the weights needs many times its own length.
_EMA, _STEPS_FOR_EMA = 0.995, 1000

#: Of the budget, for measuring steps, at most; of the memory of the computer or the GPU, for a step.
_MEASURING_SHARE, _MEASURING_SECONDS = 0.005, 6.0
_MEMORY_SHARE, _GPU_SHARE, _UNKNOWN_GIB = 0.5, 0.8, 8.0

_MODALITIES = {
    "MR": ("MR", "MRI", "T1", "T1W", "T1C", "T1GD", "T1CE", "T2", "T2W", "FLAIR", "DWI", "ADC"),
    "CT": ("CT",),
    "PT": ("PT", "PET"),
}


@dataclass(frozen=True)
class Fitted:
    """A plan of `config.planning`, the schedule that it allows, and the times that were measured."""

    plan: Plan
    schedule: Schedule
    costs: Costs
    sizes: Sizes


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
    _write(request, fitted, fingerprint)
    record = Record(
        data=str(request.data.resolve()),
        minutes=request.minutes,
        name=request.name,
        modality=request.modality or modality_of_channels(fingerprint.channels),
        files=files_digest(request.data),
        cases=fitted.schedule.cases,
        validation=fitted.sizes.validation,
        seconds=fitted.schedule.seconds,
        warnings=(*fitted.plan.warnings, *_warnings(request, fitted)),
    )
    write_details(request, record)
    record.save(request.work)
    return record, list(_lines(request, fitted, fingerprint, accelerator))


def modality_of_channels(channels: tuple[str, ...]) -> str | None:
    """DICOM's modality where the names of all channels say the same one, such as ``MRI`` or ``T1``."""
    found = {_modality(name) for name in channels}
    return found.pop() if len(found) == 1 else None


def _modality(channel: str) -> str | None:
    words = set(channel.upper().replace("-", " ").replace("_", " ").split())
    return next((modality for modality, known in _MODALITIES.items() if words & set(known)), None)


def _fit_to_computer(
    request: Request, fingerprint: Fingerprint, accelerator: str, began: float, reading: float
) -> Fitted:
    """Choose, measure, and choose smaller patches while too few steps fit the budget."""
    data: PatientData | None = None
    best: Fitted | None = None
    for plan in _smaller_and_smaller(request, fingerprint, _memory_gib(accelerator)):
        configuration = replace(_cached(plan).configuration, data=str(request.data.absolute()))
        if configuration.cache is not None:
            configuration = replace(configuration, cache=str((request.work / CACHE).absolute()))
        if data is None:
            data = PatientData(configuration)
            data.setup()
        try:
            costs = Costs(reading, *_measured(configuration, data, accelerator, request.minutes))
        except torch.cuda.OutOfMemoryError:
            continue
        sizes = _sizes(data, plan, fingerprint)
        left = 60 * request.minutes - (time.monotonic() - began)
        found = Fitted(plan, schedule(max(left, 0.0), costs, sizes), costs, sizes)
        if best is None or _twin_steps(found) > _twin_steps(best):
            best = found
        if _twin_steps(found) >= _ENOUGH_STEPS:
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
    return _UNKNOWN_GIB if machine is None else _MEMORY_SHARE * machine / 2**30


def _cached(plan: Plan) -> Plan:
    """With a cache in the work folder where the images are larger than the memory."""
    if "cache" not in plan.reasons:
        return plan
    return replace(plan, configuration=replace(plan.configuration, cache=CACHE))


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


def _twin_steps(fitted: Fitted) -> int:
    return fitted.schedule.twin.count * fitted.sizes.steps


def _vdp_steps(fitted: Fitted) -> int:
    return fitted.schedule.vdp.count * fitted.sizes.steps


def _plans(request: Request, fitted: Fitted) -> dict[str, Plan]:
    """The settings of both networks, and why they are so."""
    plan, noise = _cached(fitted.plan), _twin_steps(fitted) >= _STEPS_FOR_NOISE
    average = _EMA if _vdp_steps(fitted) >= _STEPS_FOR_EMA else None
    shared = replace(plan.configuration, augmentation="noise" if noise else "default")
    rate = shared.learning_rate
    twin = _with_epochs(shared, fitted.schedule.twin)
    vdp = _with_epochs(shared, fitted.schedule.vdp)
    return {
        TWIN: replace(
            plan,
            configuration=replace(twin, family="deterministic"),
            reasons=plan.reasons | _reasons(request, fitted, fitted.schedule.twin, fitted.costs.twin, noise),
        ),
        VDP: replace(
            plan,
            configuration=replace(vdp, initialize_from=TWIN, learning_rate=rate / 2, ema=average),
            reasons=plan.reasons
            | _reasons(request, fitted, fitted.schedule.vdp, fitted.costs.vdp, noise)
            | {"learning_rate": f"Half of that of the twin, {rate:g}, from which this network starts."},
        ),
    }


def _with_epochs(configuration: FitConfiguration, epochs: Epochs) -> FitConfiguration:
    return replace(configuration, epochs=epochs.count, validation_every=epochs.every)


def _reasons(request: Request, fitted: Fitted, epochs: Epochs, times: Times, noise: bool) -> dict[str, str]:
    steps = epochs.count * fitted.sizes.steps
    return {
        "epochs": (
            f"{count(steps, 'step')}, which took {times.step:.3g} s each when this was planned: the "
            f"training's part of {in_words(60 * request.minutes)} in all."
        ),
        "validation_every": "A divisor of the epochs; validations may take a tenth of the training.",
        "augmentation": (
            "Noise in the training makes masks robust."
            if noise
            else f"Without noise: with fewer than {_STEPS_FOR_NOISE} steps, shapes are learned first."
        ),
    }


def _write(request: Request, fitted: Fitted, fingerprint: Fingerprint) -> None:
    for name, plan in _plans(request, fitted).items():
        text = to_text(plan, fingerprint, PRESET)
        write_atomically(request.work / f"{name}.yaml", text.encode())


def _warnings(request: Request, fitted: Fitted) -> Iterator[str]:
    total = sum(fitted.schedule.seconds.values())
    if total > 1.25 * 60 * request.minutes:
        yield (
            f"the budget of {in_words(60 * request.minutes)} is too short on this computer: it will take "
            f"{in_words(total)}"
        )
    steps = _twin_steps(fitted)
    if steps < _ENOUGH_STEPS:
        yield (
            f"only {count(steps, 'step')} of training on this computer: the model will be rough; allow a "
            "larger --budget, or use a GPU"
        )


def _lines(request: Request, fitted: Fitted, fingerprint: Fingerprint, accelerator: str) -> Iterator[str]:
    c, found, seconds = fitted.plan.configuration, fitted.schedule, fitted.schedule.seconds
    place = (
        "this GPU" if accelerator == "gpu" else f"{count(torch.get_num_threads(), 'core')} of this computer"
    )
    yield f"plan for {request.output}, measured on {place}: {in_words(sum(seconds.values()))}"
    yield (
        f"  data        {count(fingerprint.images, 'image')} of {count(fingerprint.patients, 'patient')}, "
        f"{count(fitted.sizes.validation, 'image')} for validation; {', '.join(c.structures)}"
    )
    yield (
        f"  network     U-Net with {'-'.join(map(str, c.filters))} filters; patches of "
        f"{' x '.join(map(str, c.patch))} voxels, {c.batch_size} a step; "
        f"{fitted.plan.step_bytes / 2**30:.1f} GiB"
    )
    for name, epochs, times in ((TWIN, found.twin, fitted.costs.twin), (VDP, found.vdp, fitted.costs.vdp)):
        yield (
            f"  {name:<11} {epochs.count * fitted.sizes.steps} steps of {times.step:.2g} s in "
            f"{count(epochs.count, 'epoch')}: {in_words(seconds[name])}"
        )
    yield (
        f"  calibration {count(found.cases, 'image')} under {fitted.sizes.conditions} conditions: "
        f"{in_words(seconds['calibrate'])}"
    )
    yield f"  evaluation  {in_words(seconds['evaluate'] + seconds['export'])}, with the export"
