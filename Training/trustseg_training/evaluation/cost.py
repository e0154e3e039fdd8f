"""The cost of a model: its parameters, and time and memory for segmenting a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.inference.prediction import LoadedModel, Model

from .evaluated_model import EvaluatedModel
from .processes import in_processes

#: Timed segmentations of each image; the fastest counts.
ROUNDS = 3

#: Where Linux reports the memory of a process (`getrusage` would report the parent's peak).
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Cost of segmenting one volume.

    Attributes
    ----------
    parameters : int
        Number of learned parameters.
    seconds : float
        Of the network's passes over a volume, without preparing it: the fastest of `ROUNDS`, with the models
        in turn so that a slow moment affects all, averaged over the volumes.
    memory_mb : float or None
        Peak memory of segmenting a volume in its own process, above that before; None where the system does
        not report it.
    """

    parameters: int
    seconds: float
    memory_mb: float | None


def costs(models: Sequence[EvaluatedModel], volumes: Sequence[Volume]) -> dict[str, Cost]:
    """Measure models side by side on the CPU; by name. ``volumes`` is not empty.

    Raises
    ------
    TrustSegError
        The system killed the process of a model.
    """
    times = _times(models, volumes)
    found = {}
    for evaluated in models:
        remedy = f"make room for {evaluated.name}, then give the same command again"
        ((_, memory),) = in_processes(partial(_memory_mb, evaluated.model), volumes[:1], 1, remedy)
        found[evaluated.name] = Cost(_parameters(evaluated.model), times[evaluated.name], memory)
    return found


def _parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.network().parameters())


def _times(models: Sequence[EvaluatedModel], volumes: Sequence[Volume]) -> dict[str, float]:
    loaded = {evaluated.name: LoadedModel(evaluated.model) for evaluated in models}
    best = {name: [float("inf")] * len(volumes) for name in loaded}
    for place, volume in enumerate(volumes):
        for name in [*loaded] * (ROUNDS + 1):  # the first round warms up: it is never the fastest
            best[name][place] = min(best[name][place], _seconds(loaded[name], volume))
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
