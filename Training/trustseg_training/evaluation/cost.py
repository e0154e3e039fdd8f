"""What a model costs: parameters, time and memory of one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.inference.prediction import Model

from .evaluated_model import EvaluatedModel, LoadedModel
from .processes import in_processes

#: Timed segmentations of each image, of which the best counts.
ROUNDS = 3

#: Where Linux tells the memory of a process (`getrusage` would tell the parent's peak).
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Of segmenting one volume.

    Attributes
    ----------
    parameters : int
        Numbers that were learned.
    seconds : float
        Of the network's passes over a volume, without preparing it; the best of `ROUNDS`, with the models in
        turn so that a slow moment hits all, and the mean over the volumes.
    memory_mb : float or None
        Peak memory of segmenting a volume above what stood before, in a process of its own; None where the
        system does not tell.
    """

    parameters: int
    seconds: float
    memory_mb: float | None


def costs(subjects: Sequence[EvaluatedModel], volumes: Sequence[Volume]) -> dict[str, Cost]:
    """Measure models side by side on the CPU, by the subject's name; ``volumes`` is not empty.

    Raises
    ------
    TrustSegError
        The system has ended the process of a model.
    """
    times = _times(subjects, volumes)
    found = {}
    for subject in subjects:
        remedy = f"make room for {subject.name}, then give the same command again"
        ((_, memory),) = in_processes(partial(_memory_mb, subject.model), volumes[:1], 1, remedy)
        found[subject.name] = Cost(_parameters(subject.model), times[subject.name], memory)
    return found


def _parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.network().parameters())


def _times(subjects: Sequence[EvaluatedModel], volumes: Sequence[Volume]) -> dict[str, float]:
    models = {subject.name: LoadedModel(subject.model) for subject in subjects}
    best = {name: [float("inf")] * len(volumes) for name in models}
    for place, volume in enumerate(volumes):
        for name in [*models] * (ROUNDS + 1):  # a first round to warm up: it is never the best
            best[name][place] = min(best[name][place], _seconds(models[name], volume))
    return {name: sum(seconds) / len(seconds) for name, seconds in best.items()}


def _seconds(model: Model, volume: Volume) -> float:
    result = segment(volume, model, SegmentOptions(device="cpu"))
    return result.provenance["times"]["predict"]


def _memory_mb(model: Model, volume: Volume) -> float | None:
    loaded = LoadedModel(model)
    before = _status_kb("VmRSS")
    _seconds(loaded, volume)
    peak = _status_kb("VmHWM")
    return None if before is None else (peak - before) / 1024


def _status_kb(field: str) -> int | None:
    if not _STATUS.is_file():
        return None
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
