"""What is measured: one pass and one training step of twins of the same network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from TrustSegLib.moments import sample_logits
from TrustSegLib.networks import NetworkSpec, build

#: The bundled model's width and a common wide one.
NETWORKS = {
    "hippocampus-t1 (12-24-48)": NetworkSpec(classes=3, filters=(12, 24, 48)),
    "five levels (16-32-64-128-256)": NetworkSpec(classes=3, filters=(16, 32, 64, 128, 256)),
}
VARIANTS = ("deterministic", "taylor", "exact", "correlated")


def make(network: str, variant: str) -> nn.Module:
    """Build a variant of a network with the same seed."""
    torch.manual_seed(0)
    family = "deterministic" if variant == "deterministic" else "vdp"
    return build(NETWORKS[network], family, "exact" if family == "deterministic" else variant)


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
