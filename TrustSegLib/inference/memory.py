"""Fallbacks when memory runs out: smaller batches and patches, then the CPU; each is announced."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from TrustSegLib.errors import TrustSegError
from TrustSegLib.inference.device import choose_device

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume
    from TrustSegLib.inference.options import SegmentOptions
    from TrustSegLib.inference.prediction import Model
    from TrustSegLib.inference.result import SegmentationResult

Result = TypeVar("Result")
PatchSize = tuple[int, int, int]

HALVINGS = 2
MIN_LENGTH = 16
"""Voxels along an axis below which a patch is not made smaller: a network needs to see around."""

DEVICE_TEXTS = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
MAIN_TEXTS = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory")


class OutOfMemory(TrustSegError):
    """Memory does not suffice in any configuration."""

    kind = "memory"


@dataclass(frozen=True)
class Rung:
    """One configuration: device, patches at a time, patch size in voxels along x, y, z."""

    device: str
    batch_size: int
    patch_size: PatchSize


def within_memory(
    segment: Callable[..., SegmentationResult],
    volume: Volume,
    model: Model,
    options: SegmentOptions,
    *,
    seed: int,
    announce: Callable[[str], None],
    **others: Any,
) -> SegmentationResult:
    """Segment an image; where the device's memory runs out, with less of it.

    Command line and worker segment by this, so that they do the same.

    Parameters
    ----------
    segment : callable
        `inference.segment`.
    volume, model, options
        As for it.
    seed : int
        Of the random numbers; every attempt starts from it.
    announce : callable
        Called with a sentence for the user at every change.
    **others
        Of `segment`: `progress`, `cancelled`, `planned` and `choice`.

    Returns
    -------
    SegmentationResult
        What was announced is among its warnings, the seed in its provenance.

    Raises
    ------
    OutOfMemory
        Memory does not suffice in any configuration.
    TrustSegError
        As `segment`.
    """
    device, notices = str(choose_device(options.device)), []

    def attempt(rung: Rung) -> SegmentationResult:
        torch.manual_seed(seed)
        changed = dataclasses.replace(options, device=rung.device, batch_size=rung.batch_size)
        return segment(volume, OtherPatch.of(model, rung.patch_size), changed, **others)

    def note(text: str) -> None:
        notices.append(text)
        announce(text)

    divisors = (1, 1, 1) if device == "cpu" else size_divisors(model)
    ladder = rungs(device, options.batch_size, model.description.input.patch_size, divisors)
    result = segment_within_memory(attempt, ladder, note)
    case = dataclasses.replace(result.case, warnings=(*result.case.warnings, *notices))
    return dataclasses.replace(result, case=case, provenance={**result.provenance, "seed": seed})


class OtherPatch:
    """A model with patches of another size.

    Parameters
    ----------
    model : Model
        A bundle, or any other model.
    patch_size : tuple of int
        Voxels along x, y, z.
    """

    def __init__(self, model: Model, patch_size: PatchSize) -> None:
        changed = dataclasses.replace(model.description.input, patch_size=patch_size)
        self.description = dataclasses.replace(model.description, input=changed)
        self.sha256, self._model = model.sha256, model

    @classmethod
    def of(cls, model: Model, patch_size: PatchSize) -> Model:
        """The model itself if it has such patches."""
        return model if patch_size == model.description.input.patch_size else cls(model, patch_size)

    def network(self) -> nn.Module:
        """That of the model."""
        return self._model.network()

    def calibration(self) -> Mapping[str, Any] | None:
        """That of the model."""
        return self._model.calibration()

    def atlas(self) -> Volume | None:
        """That of the model's locator."""
        return self._model.atlas()


def size_divisors(model: Model) -> PatchSize:
    """What a patch's size along x, y, z must be multiples of; a 2D network sees single planes."""
    divisor = model.network().size_divisor
    return (divisor, divisor, 1 if model.description.network.get("dimensions", 3) == 2 else divisor)


def rungs(device: str, batch_size: int, patch_size: PatchSize, divisors: PatchSize) -> Iterator[Rung]:
    """Configurations that each need less device memory than the one before, the CPU last.

    Parameters
    ----------
    device : str
        The first to use; on the CPU there is one configuration only.
    batch_size : int
        The first to use.
    patch_size, divisors : tuple of int
        Of the model, and what it must be multiples of, along x, y, z.
    """
    yield Rung(device, batch_size, patch_size)
    if device == "cpu":
        return
    if batch_size > 1:
        yield Rung(device, 1, patch_size)
    smaller = patch_size
    for _ in range(HALVINGS):
        last, smaller = smaller, _halved(smaller, divisors)
        if smaller != last:
            yield Rung(device, 1, smaller)
    yield Rung("cpu", batch_size, patch_size)


def segment_within_memory(
    attempt: Callable[[Rung], Result], ladder: Iterator[Rung], announce: Callable[[str], None]
) -> Result:
    """Try one configuration after the other until memory suffices.

    Parameters
    ----------
    attempt : callable
        Segments with one configuration.
    ladder : iterator of Rung
        From `rungs`.
    announce : callable
        Called with a sentence for the user at every change.

    Raises
    ------
    OutOfMemory
        When none is left, or main memory ran out, which smaller patches do not save.
    """
    first = rung = next(ladder)
    while True:
        try:
            result = attempt(rung)
            break
        except (TrustSegError, RuntimeError, MemoryError) as error:
            if (where := _exhausted(error, rung.device)) is None:
                raise
            following = next(ladder, None) if where == "device" else None
            if following is None:
                raise OutOfMemory(
                    "needs more memory than is free; close other programs, or segment a region of interest"
                ) from error
        # Outside the handler: the error no longer holds the tensors of the failed attempt.
        _release()
        announce(_change(rung, following))
        rung = following
    if rung.patch_size != first.patch_size:
        sizes = f"{_size(rung.patch_size)} voxels instead of {_size(first.patch_size)}"
        announce(f"segmented in patches of {sizes}: the mask can differ from the model's usual one")
    return result


def _exhausted(error: BaseException | None, device: str) -> str | None:
    """Which memory ran out, by an error or its causes: `device`, `main`, or None for another error."""
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or any(part in text for part in MAIN_TEXTS):
            return "main"
        if isinstance(error, torch.cuda.OutOfMemoryError) or any(part in text for part in DEVICE_TEXTS):
            return "device" if device != "cpu" else "main"
        error = error.__cause__
    return None


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _halved(size: PatchSize, divisors: PatchSize) -> PatchSize:
    """Half a patch, each length a multiple of its divisor; small lengths are kept."""
    lengths = []
    for length, divisor in zip(size, divisors, strict=True):
        half = length // 2 // divisor * divisor
        lengths.append(half if half >= max(MIN_LENGTH, 2 * divisor) else length)
    return tuple(lengths)


def _change(before: Rung, after: Rung) -> str:
    reason = f"{before.device} ran out of memory"
    if after.device != before.device:
        return f"{reason}; segmenting on the CPU instead, which takes longer"
    if after.batch_size != before.batch_size:
        return f"{reason} with {before.batch_size} patches at a time; trying {after.batch_size} at a time"
    return f"{reason} with patches of {_size(before.patch_size)} voxels; trying {_size(after.patch_size)}"


def _size(size: PatchSize) -> str:
    return " x ".join(map(str, size))
