"""One pass of a network over a volume in overlapping patches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch

from TrustSegLib.errors import OptionError, TrustSegError
from TrustSegLib.inference.blending import RollingBlend
from TrustSegLib.inference.device import PRECISIONS, check_precision, place_network
from TrustSegLib.inference.stages import Stages
from TrustSegLib.inference.storage import Storage

if TYPE_CHECKING:
    from TrustSegLib.moments import ClassMoments


class Predictor(Protocol):
    """Anything that returns class moments of patches; in practice an nn.Module in evaluation mode."""

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        """Class probabilities and variances `(B, K, D, H, W)` for patches `(B, C, D, H, W)`."""


@dataclass(frozen=True)
class Window:
    """How the network passes over a volume; the values are checked.

    Attributes
    ----------
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1).
    batch_size : int
        Patches per call. Two by default: with one, PyTorch's CPU convolution can take a slow path.
    precision : str
        `float32`, or `bfloat16` for a faster pass; the moments returned are float32 either way.
    """

    overlap: float = 0.5
    batch_size: int = 2
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_window_options(self.overlap, self.batch_size)
        check_precision(self.precision)


def sliding_window(
    array: np.ndarray,
    network: Predictor,
    patch_shape: tuple[int, int, int],
    *,
    window: Window | None = None,
    device: torch.device | str = "cpu",
    storage: Storage | None = None,
    stages: Stages | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Class moments of a whole volume, blended over overlapping patches (`RollingBlend` has the formulas).

    Patches of one value throughout, such as air, are computed once (see `patch_tasks`).

    Parameters
    ----------
    array : np.ndarray
        `(C, D, H, W)` float32 intensities: oriented, resampled and normalized. A volume smaller than a patch
        is padded with its border voxels, and the result is cropped.
    network : Predictor
        nn.Module in evaluation mode. It is moved to the device; for bfloat16 a copy is.
    patch_shape : tuple of int
        `(D, H, W)` voxels.
    window : Window, optional
        Overlap, batch size and precision; the defaults if None.
    device : torch.device or str
        Where the network runs. The sums over patches stay in main memory, one patch thick.
    storage : Storage, optional
        Where the moments are kept; in memory by default.
    stages : Stages, optional
        Gets `Progress("predict", done, total)`, in patches that are computed, after every batch, and is asked
        before every batch whether to stop.

    Returns
    -------
    tuple of np.ndarray
        Mean and variance, `(K, D, H, W)` float32, with 0 <= variance <= mean (1 - mean).

    Raises
    ------
    Cancelled
        When the user has stopped the work.
    OptionError
        When the patch does not fit the network.
    TrustSegError
        When the network's output holds NaN or infinite values, or the device runs out of memory.
    """
    _check(array, network, patch_shape)
    window, device = window or Window(), torch.device(device)
    storage, stages = storage or Storage(), stages or Stages()
    placed = place_network(network, device, window.precision)
    padded, inner = pad_to_patch(array, patch_shape)
    tasks = patch_tasks(padded, patch_shape, window.overlap)
    done, total = 0, sum(not task.known for task in tasks)
    of_uniform: dict[bytes, list[torch.Tensor]] = {}
    blend = None
    for batch in _batches(tasks, window.batch_size):
        stages.check()
        new = [task for task in batch if not task.known]
        patches = _cut(padded, [task.corner for task in new], patch_shape)
        mean, deviation = _predict(placed, patches, device, window.precision)
        if blend is None:
            shape = (mean.shape[1], *padded.shape[1:])
            outputs = storage.allocate(shape), storage.allocate(shape)
            blend = RollingBlend(*outputs, patch_shape)
        computed = iter(zip(mean, deviation, strict=True))
        for task in batch:
            moments = of_uniform[task.values] if task.known else next(computed)
            if task.values is not None and not task.known:
                of_uniform[task.values] = [each.clone() for each in moments]
            blend.add(task.corner, *moments)
        done += len(new)
        stages.report("predict", done, total)
    blend.finish()
    return outputs[0][(slice(None), *inner)], outputs[1][(slice(None), *inner)]


class PatchTask(NamedTuple):
    """A patch to predict, or whose prediction is known from an earlier one.

    Attributes
    ----------
    corner : tuple of int
        `(D, H, W)` index of its first voxel.
    values : bytes or None
        The intensity of each channel where it is the same in the whole patch, as in the air around a body.
    known : bool
        Whether an earlier patch has the same values everywhere: a network says the same of both.
    """

    corner: tuple[int, ...]
    values: bytes | None
    known: bool


def patch_tasks(array: np.ndarray, patch_shape: tuple[int, int, int], overlap: float) -> list[PatchTask]:
    """All patches of a volume in the order of the first axis, those marked that need no computation.

    Nothing is assumed of what lies in a patch: only where every channel has one value throughout, as air has
    below the window of a CT and the 0 around a skull-stripped brain, the network's answer to the first such
    patch is the answer to all of them. (A network that draws random numbers draws once for all of these.)

    Parameters
    ----------
    array : np.ndarray
        `(C, D, H, W)` as the network sees it, not smaller than a patch.
    patch_shape : tuple of int
        `(D, H, W)` voxels.
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1).
    """
    tasks, seen = [], set()
    for corner in patch_starts(array.shape[1:], patch_shape, overlap):
        values = _uniform_values(array[(slice(None), *_box(corner, patch_shape))])
        tasks.append(PatchTask(corner, values, values in seen))
        if values is not None:
            seen.add(values)
    return tasks


def _uniform_values(patch: np.ndarray) -> bytes | None:
    first = patch[:, :1, :1, :1]
    # A plane first: it shows of most patches that they are not air.
    if (patch[:, :1] != first).any() or (patch != first).any():
        return None
    return first.tobytes()


def _batches(tasks: list[PatchTask], size: int) -> Iterator[list[PatchTask]]:
    """Runs of patches in their order, each with `size` patches to compute, the last one with fewer."""
    batch, new = [], 0
    for task in tasks:
        if new == size and not task.known:
            yield batch
            batch, new = [], 0
        batch.append(task)
        new += not task.known
    yield batch


def _check(array: np.ndarray, network: Predictor, patch_shape: tuple[int, ...]) -> None:
    """Raise OptionError for a patch that does not fit the network."""
    if array.ndim != 4 or len(patch_shape) != 3:
        raise ValueError(f"expected shapes (C, D, H, W) and (D, H, W), not {array.shape} and {patch_shape}")
    divisors = np.broadcast_to(getattr(network, "size_divisor", 1), 3)
    if min(patch_shape) < 1 or np.any(np.remainder(patch_shape, divisors)):
        raise OptionError(f"patch {patch_shape} does not fit the network: it needs multiples of {divisors}")


def check_window_options(overlap: float, batch_size: int) -> None:
    """Raise OptionError when the overlap or the batch size is not valid."""
    if not 0.0 <= overlap < 1.0:
        raise OptionError(f"overlap {overlap} is not valid; give a fraction from 0 up to, not including, 1")
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size} is not valid; give 1 or more")


def _cut(array: np.ndarray, corners: list[tuple[int, ...]], patch_shape: tuple[int, ...]) -> torch.Tensor:
    """Batch `(B, C, *patch_shape)` of the patches at these corners."""
    boxes = (_box(corner, patch_shape) for corner in corners)
    return torch.from_numpy(np.stack([array[(slice(None), *box)] for box in boxes]))


def _box(corner: tuple[int, ...], patch_shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(first, first + size) for first, size in zip(corner, patch_shape, strict=True))


def _predict(
    network: Predictor, patches: torch.Tensor, device: torch.device, precision: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Class probabilities and their standard deviations, float32, of one batch."""
    try:
        with torch.inference_mode():
            moments = network.class_moments(patches.to(device=device, dtype=PRECISIONS[precision]))
            mean, variance = moments.mean.float(), moments.variance.float()
    except torch.cuda.OutOfMemoryError as error:
        raise TrustSegError(
            f"{device} ran out of memory with {len(patches)} patches at a time; use fewer, or the CPU"
        ) from error
    # A sum is finite only when every term is, and costs a tenth of looking at each.
    if not math.isfinite(float(mean.sum() + variance.sum())):
        raise TrustSegError(
            f"the network's output holds NaN or infinite values at {precision}; no mask was made: "
            "try float32, or check the model with `trustseg models verify`"
        )
    return mean, variance.clamp_min(0.0).sqrt()


def starts(size: int, patch: int, overlap: float) -> list[int]:
    """First indices of the patches along one axis.

    The patches are spread evenly: the first touches index 0, the last is flush with the border, and
    neighbors share at least `overlap` of a patch, or all but one voxel.

    Parameters
    ----------
    size : int
        Voxels along the axis, at least `patch`.
    patch : int
        Voxels of a patch along the axis.
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1).
    """
    if size < patch:
        raise ValueError(f"{size} voxels cannot hold a patch of {patch}: pad first")
    step = max(1, math.floor(patch * (1.0 - overlap) + 1e-6))
    count = math.ceil((size - patch) / step) + 1
    return [round(number * (size - patch) / max(1, count - 1)) for number in range(count)]


def patch_starts(
    shape: tuple[int, ...], patch_shape: tuple[int, ...], overlap: float
) -> list[tuple[int, ...]]:
    """First corners of all patches, ordered along the first axis so that finished rows can leave memory."""
    axes = (starts(size, patch, overlap) for size, patch in zip(shape, patch_shape, strict=True))
    return list(itertools.product(*axes))


def window_shape(shape: tuple[int, ...], patch_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Spatial shape that the window slides over: the volume's, or the patch's where the volume is smaller."""
    return tuple(max(size, patch) for size, patch in zip(shape, patch_shape, strict=True))


def pad_to_patch(array: np.ndarray, patch_shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Pad a volume to the size of one patch by repeating its border voxels.

    Repeating the edge puts no step at the border. Zeros would: after normalization zero is the mean
    intensity or the lower end of a window, so the network would see an edge, or a plateau of tissue, that is
    not in the patient. Reflection would show it a second, mirrored organ, which also counts in the
    statistics of instance normalization.

    Parameters
    ----------
    array : np.ndarray
        `(C, D, H, W)`.
    patch_shape : tuple of int
        `(D, H, W)`.

    Returns
    -------
    tuple of np.ndarray and tuple of slice
        The padded array `(C, D', H', W')` (the same object when nothing is missing), and the three slices
        that crop it to the volume again.
    """
    shape = array.shape[1:]
    missing = [full - size for full, size in zip(window_shape(shape, patch_shape), shape, strict=True)]
    before = [count // 2 for count in missing]
    inner = tuple(slice(first, first + size) for first, size in zip(before, shape, strict=True))
    if not any(missing):
        return array, inner
    widths = [(0, 0)] + [(first, count - first) for first, count in zip(before, missing, strict=True)]
    return np.pad(array, widths, mode="edge"), inner
