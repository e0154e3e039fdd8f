"""A network's logits at the voxels near the structures, where it can be wrong.

They are kept per patch, so that probabilities with any scales are blended over patches as in inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.metrics.neighborhood import near_structures
from trustseg_training.training import objective, volume_network
from TrustSegLib.inference.blending import gaussian_weight
from TrustSegLib.inference.sliding_window import Window, pad_to_patch, patch_starts, sliding_window
from TrustSegLib.moments import LogitMoments

from .patient_weights import weights

#: Most voxels of a patient, drawn at random and shared by the patient's images as their weight is, so that
#: large organs do not dominate.
VOXELS_PER_PATIENT = 10_000

OVERLAP = 0.5


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image as the network sees it, under one condition.

    Attributes
    ----------
    patient, condition : str
        Whose it is, and `CLEAN` or a corruption's key.
    image : np.ndarray
        (C, D, H, W) float32.
    label : np.ndarray
        (D, H, W) int64.
    share : float
        Of its patient's weight, see `patient_weights.weights`.
    """

    patient: str
    condition: str
    image: np.ndarray
    label: np.ndarray
    share: float = 1.0


@dataclass(frozen=True)
class Source:
    """An image that voxels were drawn from: patient, condition, and how many voxels are near a structure."""

    patient: str
    condition: str
    near: int


@dataclass(frozen=True)
class NearVoxels:
    """Logits of several images' voxels, one entry per voxel and patch that covers it.

    Attributes
    ----------
    logits : LogitMoments or Tensor
        Moments (entries, K) and (entries, K, K), or passes (entries, passes, K).
    voxel : Tensor
        (entries,) index of the voxel that an entry belongs to.
    blending : Tensor
        (entries,) blending weight; those of a voxel sum to 1.
    target : Tensor
        (voxels,) true label.
    image : Tensor
        (voxels,) index of the image that a voxel is of.
    sources : tuple of Source
        The images with a voxel.
    """

    logits: LogitMoments | Tensor
    voxel: Tensor
    blending: Tensor
    target: Tensor
    image: Tensor
    sources: tuple[Source, ...]

    @property
    def patients(self) -> np.ndarray:
        """(images,) names."""
        return np.array([source.patient for source in self.sources])

    @property
    def conditions(self) -> np.ndarray:
        """(images,) `CLEAN` or a corruption's key."""
        return np.array([source.condition for source in self.sources])

    @property
    def drawn(self) -> Tensor:
        """(images,) number of drawn voxels."""
        return torch.bincount(self.image, minlength=len(self.sources)).double()

    @property
    def importance(self) -> Tensor:
        """(voxels,) share in a mean over patients, see `patient_weights.weights`; they sum to 1."""
        own = torch.from_numpy(weights(self.patients, self.conditions)) / self.drawn
        return own[self.image] / len(np.unique(self.patients))

    @property
    def multiplicity(self) -> Tensor:
        """(voxels,) how many voxels of the image each one stands for."""
        near = torch.tensor([source.near for source in self.sources], dtype=torch.float64)
        return (near / self.drawn)[self.image]

    def probabilities(
        self,
        network: nn.Module,
        temperature: float = 1.0,
        variance_scale: float = 1.0,
        class_bias: Sequence[float] = (),
    ) -> Tensor:
        """(voxels, K) blended class probabilities with these scales."""
        p = self._entry_probabilities(network, temperature, variance_scale, class_bias)
        blended = p.new_zeros(len(self.target), p.shape[1])
        return blended.index_add_(0, self.voxel, p * self.blending[:, None])

    def of_images(self, chosen: np.ndarray) -> NearVoxels:
        """The voxels of some images, bool (images,), of which there is at least one."""
        chosen = torch.from_numpy(chosen)
        voxels = chosen[self.image]
        entries = voxels[self.voxel]
        logits = self.logits
        taken = logits[entries] if isinstance(logits, Tensor) else LogitMoments(*(m[entries] for m in logits))
        return NearVoxels(
            taken,
            (voxels.cumsum(0) - 1)[self.voxel[entries]],
            self.blending[entries],
            self.target[voxels],
            (chosen.cumsum(0) - 1)[self.image[voxels]],
            tuple(source for source, kept in zip(self.sources, chosen.tolist(), strict=True) if kept),
        )

    def _entry_probabilities(
        self, network: nn.Module, temperature: float, variance_scale: float, class_bias: Sequence[float]
    ) -> Tensor:
        mean = self.logits if isinstance(self.logits, Tensor) else self.logits.mean
        if len(class_bias):
            mean = mean + mean.new_tensor((0.0, *class_bias))
        if isinstance(self.logits, Tensor):
            return torch.softmax(mean / temperature, dim=2).mean(dim=1)
        covariance = self.logits.covariance * (variance_scale / temperature**2)
        return objective.readout(network, LogitMoments(mean / temperature, covariance)).mean


def collect(
    network: nn.Module,
    images: Iterable[PreparedImage],
    patch_shape: tuple[int, int, int],
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> NearVoxels | None:
    """Pass images through a network and keep the logits near their structures.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, without any scale, on the device.
    images : iterable of PreparedImage
        Of patients of whom none was in the training set.
    patch_shape : tuple of int
        (D, H, W).
    device : torch.device or str
        Where the network is.
    seed : int
        Of the random choice among an image's voxels.

    Returns
    -------
    NearVoxels or None
        None if no image has a structure in truth or prediction.
    """
    generator = np.random.default_rng(seed)
    parts = []
    for image in images:
        near = _near(network, image, patch_shape, device)
        if len(near):
            most = max(round(image.share * VOXELS_PER_PATIENT), 1)
            chosen = generator.permutation(near)[:most] if len(near) > most else near
            source = Source(image.patient, image.condition, len(near))
            parts.append(_of_image(network, image, source, chosen, patch_shape, device))
    return _joined(parts) if parts else None


def _near(
    network: nn.Module, image: PreparedImage, patch_shape: tuple[int, int, int], device: torch.device | str
) -> np.ndarray:
    """(voxels, 3) indices z, y, x near truth or prediction."""
    mean, _ = sliding_window(
        image.image, volume_network(network), patch_shape, window=Window(OVERLAP), device=device
    )
    return np.argwhere(near_structures(image.label, mean.argmax(axis=0)))


def _of_image(
    network: nn.Module,
    image: PreparedImage,
    source: Source,
    chosen: np.ndarray,
    patch_shape: tuple[int, int, int],
    device: torch.device | str,
) -> NearVoxels:
    padded, inner = pad_to_patch(image.image, patch_shape)
    places = chosen + [part.start for part in inner]
    blending = gaussian_weight(patch_shape)
    logits, voxels, shares = [], [], []
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
        shares.append(blending[z, y, x])
    target = torch.from_numpy(image.label[tuple(chosen.T)]).long()
    parts = [torch.cat(tensors) for tensors in zip(*logits, strict=True)]
    voxel, share = torch.cat(voxels), torch.cat(shares)
    total = torch.zeros(len(target)).index_add_(0, voxel, share)
    together = LogitMoments(*parts) if len(parts) == 2 else parts[0]
    return NearVoxels(
        together, voxel, share / total[voxel], target, torch.zeros(len(target), dtype=torch.long), (source,)
    )


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
    """Several images as one, with voxels and images numbered consecutively."""
    firsts = np.cumsum([0, *(len(part.target) for part in parts)])
    voxel = torch.cat([part.voxel + int(first) for part, first in zip(parts, firsts, strict=False)])
    image = torch.cat([part.image + number for number, part in enumerate(parts)])
    logits = [part.logits for part in parts]
    if isinstance(logits[0], Tensor):
        joined = torch.cat(logits)
    else:
        joined = LogitMoments(*(torch.cat(moments) for moments in zip(*logits, strict=True)))
    blending, target = (
        torch.cat([part.blending for part in parts]),
        torch.cat([part.target for part in parts]),
    )
    return NearVoxels(joined, voxel, blending, target, image, tuple(part.sources[0] for part in parts))
