"""How much memory a training step and the prepared images take, and how much this computer has."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trustseg_training.dataset.fingerprint import Fingerprint
from TrustSegLib.moments import LogitMoments
from TrustSegLib.networks import build

from .settings import FitConfiguration

_FLOAT = 4  # bytes
_STATES = 4  # a weight, its gradient and the two moments of Adam
_WORKING_TENSORS = 4  # gradients and work space of the widest layer, which is the decoder's at full size
_LOSS_TENSORS = 3  # per sample of the logits: the sample, its log-softmax and its gradient
_IMAGE, _LABEL = 4, 1  # bytes per voxel: float32 for each channel, uint8
_MOST = 0.75  # of the memory, for images: the network, its activations and the system need the rest


@dataclass(frozen=True)
class StepMemory:
    """Bytes of a float32 training step: ``fixed + per_voxel * voxels of the patch * batch``."""

    fixed: int
    per_voxel: float

    def of(self, patch: Sequence[int], batch: int) -> int:
        """Bytes for a patch (x, y, z) and a batch size."""
        return int(self.fixed + self.per_voxel * math.prod(patch) * batch)


def step_memory(configuration: FitConfiguration) -> StepMemory:
    """Estimate what weights and activations take in a training step.

    Two small patches are passed through the network and everything that autograd keeps is counted;
    activations grow with the number of voxels. On a CPU, a step of a U-Net was measured at 1.0 to 1.2 times
    the estimate. The images in memory come on top.

    Parameters
    ----------
    configuration : FitConfiguration
        Whose network and objective count, whatever its patch and batch.
    """
    spec = configuration.network
    side = 2 * spec.size_divisor
    small, large = ([side] * (configuration.dimensions - 1) + [last] for last in (side, 2 * side))
    with torch.random.fork_rng(devices=[]):
        network = build(spec, configuration.family, configuration.propagation).train()
        kept, _ = _kept(network, torch.zeros(1, spec.in_channels, *small))
        more, logits = _kept(network, torch.zeros(1, spec.in_channels, *large))
    # The difference alone grows with the patch: the rest is made of weights, such as their squares.
    per_voxel = (more - kept) / (math.prod(large) - math.prod(small))
    samples = configuration.logit_samples if isinstance(logits, LogitMoments) else 1
    loss = _LOSS_TENSORS * samples * spec.classes * _FLOAT
    working = _WORKING_TENSORS * 2 * spec.filters[0] * _FLOAT
    weights = sum(parameter.numel() for parameter in network.parameters()) * _FLOAT * _STATES
    fixed = weights + kept - int(per_voxel * math.prod(small))
    return StepMemory(fixed, per_voxel + working + loss)


def _kept(network: torch.nn.Module, image: torch.Tensor) -> tuple[int, object]:
    """Bytes of the tensors that the backward pass needs, each storage once, weights left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no address is given out twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network(image)
    return sum(storage.nbytes() for storage in storages.values()), logits


def prepared_bytes(fingerprint: Fingerprint, configuration: FitConfiguration) -> int:
    """Bytes of all images and labels at the spacing of the network."""
    voxels = np.prod(fingerprint.sizes * fingerprint.spacings / configuration.spacing, axis=1).sum()
    return int(voxels * (_IMAGE * len(configuration.channels) + _LABEL))


def machine_bytes() -> int | None:
    """Memory of this computer; None where the system does not say (Windows)."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(os.sysconf_names):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def reason_for_cache(needed: int, machine: int | None) -> str | None:
    """Why a cache on a disk is needed; None if it is not, or nobody knows."""
    if machine is None or needed <= _MOST * machine:
        return None
    return (
        f"Folder for the prepared images; null to keep all of them in memory. They take {needed / 2**30:.3g} "
        f"GiB, and this computer has {machine / 2**30:.3g}: name a folder on a fast disk, such as cache."
    )
