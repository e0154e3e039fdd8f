"""What is measured: one pass and one training step of twins of the same network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.imaging import Normalization, normalize, read_volume
from TrustSegLib.moments import sample_logits
from TrustSegLib.networks import NetworkSpec, build

#: The bundled model's width and a common wide one.
NETWORKS = {
    "hippocampus-t1 (12-24-48)": NetworkSpec(classes=3, filters=(12, 24, 48)),
    "five levels (16-32-64-128-256)": NetworkSpec(classes=3, filters=(16, 32, 64, 128, 256)),
}
SAMPLE = Path(__file__).parents[2] / "TrustSeg/Resources/SampleData/hippocampus_223.nii.gz"
VARIANTS = ("deterministic", "taylor", "exact", "correlated")


TRAINED = {"hippocampus-t1 (12-24-48)": "hippocampus-t1"}


def make(network: str, variant: str) -> nn.Module:
    """Build a variant of a network: with its trained weights where it ships, else with random ones."""
    torch.manual_seed(0)
    family = "deterministic" if variant == "deterministic" else "vdp"
    model = build(NETWORKS[network], family, "exact" if family == "deterministic" else variant)
    if network in TRAINED:
        weights = load_bundle(find_bundle(TRAINED[network])).network().state_dict()
        model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model


def image(shape: tuple[int, ...]) -> torch.Tensor:
    """A batch of (B, 1, D, H, W): the sample volume, mirrored at its borders until it fills the patch."""
    volume = normalize(read_volume(SAMPLE), Normalization()).array[0]
    widths = [(0, max(0, size - have)) for size, have in zip(shape[2:], volume.shape, strict=True)]
    patch = np.pad(volume, widths, mode="symmetric")[tuple(slice(size) for size in shape[2:])]
    return torch.from_numpy(patch).expand(shape).contiguous()


def inference(network: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """One pass from image to class moments, softmax or readout included."""
    network.eval()

    @torch.inference_mode()
    def run() -> None:
        network.class_moments(x)

    return run


def training_step(network: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Forward, loss and backward; the variational loss draws eight samples of the logits."""
    network.train()
    target = torch.randint(0, network.spec.classes, (x.shape[0], *x.shape[2:]), device=x.device)

    def run() -> None:
        network.zero_grad(set_to_none=True)
        if network.family == "deterministic":
            loss = F.cross_entropy(network(x), target)
        else:
            draws = sample_logits(network(x), torch.randn(8, network.spec.classes))
            loss = F.cross_entropy(draws.flatten(0, 1), target.repeat(8, *(1,) * (target.dim() - 1)))
            loss = loss + 1e-9 * network.kl_divergence()
        loss.backward()

    return run
