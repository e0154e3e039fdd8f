"""A network's logits at the voxels near the structures, where it can be wrong.

They are kept per patch, so that probabilities at any temperature are blended over patches as in inference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.data import Sample
from trustseg_training.metrics.neighborhood import near_structures
from trustseg_training.training import objective, volume_network
from TrustSegLib.inference.blending import gaussian_weight
from TrustSegLib.inference.sliding_window import Window, pad_to_patch, patch_starts, sliding_window
from TrustSegLib.moments import LogitMoments

#: Most voxels of a patient, drawn at random, so that large organs do not dominate.
VOXELS_PER_PATIENT = 10_000

OVERLAP = 0.5


@dataclass(frozen=True)
class NearVoxels:
    """Logits of several patients' voxels, one entry per voxel and patch that covers it.

    Attributes
    ----------
    logits : LogitMoments or Tensor
        Moments (entries, K) and (entries, K, K), or passes (entries, passes, K).
    voxel : Tensor
        (entries,) index of the voxel that an entry belongs to.
    weight : Tensor
        (entries,) blending weight; those of a voxel sum to 1.
    target : Tensor
        (voxels,) true label.
    images : int
        Number of images with a voxel.
    """

    logits: LogitMoments | Tensor
    voxel: Tensor
    weight: Tensor
    target: Tensor
    images: int

    def probabilities(self, network: nn.Module, temperature: float, variance_scale: float = 1.0) -> Tensor:
        """(voxels, K) blended class probabilities at a temperature."""
        p = self._entry_probabilities(network, temperature, variance_scale)
        blended = p.new_zeros(len(self.target), p.shape[1])
        return blended.index_add_(0, self.voxel, p * self.weight[:, None])

    def _entry_probabilities(self, network: nn.Module, temperature: float, variance_scale: float) -> Tensor:
        if isinstance(self.logits, Tensor):
            return torch.softmax(self.logits / temperature, dim=2).mean(dim=1)
        scaled = LogitMoments(
            self.logits.mean / temperature, self.logits.covariance * (variance_scale / temperature**2)
        )
        return objective.readout(network, scaled).mean


def collect(
    network: nn.Module,
    samples: Iterable[Sample],
    patch_shape: tuple[int, int, int],
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> NearVoxels | None:
    """Pass patients through a network and keep the logits near their structures.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, on the device.
    samples : iterable of Sample
        Patients of whom none was in the training set.
    patch_shape : tuple of int
        (D, H, W).
    device : torch.device or str
        Where the network is.
    seed : int
        Of the random choice among a patient's voxels.

    Returns
    -------
    NearVoxels or None
        None if no patient has a structure in truth or prediction.
    """
    generator = np.random.default_rng(seed)
    parts = []
    for sample in samples:
        chosen = _choose(network, sample, patch_shape, device, generator)
        if len(chosen):
            parts.append(_patient(network, sample, chosen, patch_shape, device))
    return _joined(parts) if parts else None


def _choose(
    network: nn.Module,
    sample: Sample,
    patch_shape: tuple[int, int, int],
    device: torch.device | str,
    generator: np.random.Generator,
) -> np.ndarray:
    """(voxels, 3) indices z, y, x."""
    image = sample["image"].numpy()
    mean, _ = sliding_window(
        image, volume_network(network), patch_shape, window=Window(OVERLAP), device=device
    )
    chosen = np.argwhere(near_structures(sample["label"][0].numpy(), mean.argmax(axis=0)))
    if len(chosen) > VOXELS_PER_PATIENT:
        chosen = generator.permutation(chosen)[:VOXELS_PER_PATIENT]
    return chosen


def _patient(
    network: nn.Module,
    sample: Sample,
    chosen: np.ndarray,
    patch_shape: tuple[int, int, int],
    device: torch.device | str,
) -> NearVoxels:
    padded, inner = pad_to_patch(sample["image"].numpy(), patch_shape)
    places = chosen + [part.start for part in inner]
    blending = gaussian_weight(patch_shape)
    logits, voxels, weights = [], [], []
    for start in patch_starts(padded.shape[1:], patch_shape, OVERLAP):
        local = places - start
        covered = ((local >= 0) & (local < patch_shape)).all(axis=1).nonzero()[0]
        if len(covered) == 0:
            continue
        z, y, x = torch.from_numpy(local[covered]).unbind(1)
        box = tuple(slice(first, first + size) for first, size in zip(start, patch_shape, strict=True))
        patch = torch.from_numpy(np.ascontiguousarray(padded[(slice(None), *box)]))
        tensors = patch_logits(network, patch, device)
        logits.append([tensor[..., z, y, x].movedim(-1, 0) for tensor in tensors])
        voxels.append(torch.from_numpy(covered))
        weights.append(blending[z, y, x])
    target = torch.from_numpy(sample["label"][0].numpy()[tuple(chosen.T)]).long()
    parts = [torch.cat(tensors) for tensors in zip(*logits, strict=True)]
    voxel, weight = torch.cat(voxels), torch.cat(weights)
    total = torch.zeros(len(target)).index_add_(0, voxel, weight)
    together = LogitMoments(*parts) if len(parts) == 2 else parts[0]
    return NearVoxels(together, voxel, weight / total[voxel], target, 1)


def patch_logits(network: nn.Module, patch: Tensor, device: torch.device | str) -> tuple[Tensor, ...]:
    """Logits of a patch (C, D, H, W): mean (K, ...) and covariance (K, K, ...), or passes (S, K, ...)."""
    planar = network.spec.dimensions == 2
    batch = patch[None].to(device)
    with torch.inference_mode():
        passes = _passes(network, batch.squeeze(2) if planar else batch)
    if isinstance(passes[0], LogitMoments):
        tensors = tuple(moment[0] for moment in passes[0])
    else:
        tensors = (torch.stack([logits[0] for logits in passes]),)
    # Cloned outside of inference mode, in which tensors may not be changed in place later.
    return tuple((t.unsqueeze(-3) if planar else t).float().cpu().clone() for t in tensors)


def _passes(network: nn.Module, batch: Tensor) -> list[Tensor | LogitMoments]:
    """Logits behind the class moments of any family: one output, or one per member or pass."""
    outputs: list[Tensor | LogitMoments] = []
    networks = [module for module in network.modules() if hasattr(module, "class_moments")]
    hooks = [each.register_forward_hook(lambda _, __, output: outputs.append(output)) for each in networks]
    try:
        network.class_moments(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _joined(parts: list[NearVoxels]) -> NearVoxels:
    """Several patients as one, with voxels numbered consecutively."""
    firsts = np.cumsum([0, *(len(part.target) for part in parts)])
    voxel = torch.cat([part.voxel + int(first) for part, first in zip(parts, firsts, strict=False)])
    logits = [part.logits for part in parts]
    if isinstance(logits[0], Tensor):
        joined = torch.cat(logits)
    else:
        joined = LogitMoments(*(torch.cat(moments) for moments in zip(*logits, strict=True)))
    weight, target = torch.cat([part.weight for part in parts]), torch.cat([part.target for part in parts])
    return NearVoxels(joined, voxel, weight, target, len(parts))
