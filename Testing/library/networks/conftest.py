"""Small specifications for each family, and networks whose weights have variance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from TrustSegLib.networks import FAMILIES, NetworkSpec, build


@pytest.fixture
def make_spec() -> Callable[..., NetworkSpec]:
    """Two levels of four and eight kernels, with what the family asks for."""

    def make(family: str = "vdp", **values: object) -> NetworkSpec:
        needs = {
            "supernet": {"normalization": "none", "activation": "relu", "upsampling": "zero_insertion"},
            "mc_dropout": {"dropout": 0.5},
        }
        tiny = {"classes": 3, "filters": (4, 8), "convolutions": 1}
        return NetworkSpec(**{**tiny, **needs.get(family, {}), **values})

    return make


@pytest.fixture
def make_network(make_spec: Callable[..., NetworkSpec]) -> Callable[..., torch.nn.Module]:
    """Network of a family in evaluation mode; its weights are the same every time."""

    def make(family: str, options: dict | None = None, **values: object) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build(make_spec(family, **values), family, **(options or {}))
            if FAMILIES[family].random_weights and not FAMILIES[family].own_variances:
                network.set_relative_variance(0.1)
        return network.eval()

    return make
