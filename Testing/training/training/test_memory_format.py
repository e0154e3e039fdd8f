"""Order of a network's weights in memory while it trains."""

from __future__ import annotations

import pytest

from trustseg_training.config import FitConfiguration
from trustseg_training.training import Segmentation


@pytest.mark.parametrize(
    ("family", "dimensions", "channels_last"),
    [("deterministic", 3, True), ("deterministic", 2, False), ("vdp", 3, False)],
)
def test_only_deterministic_volumes_train_with_channels_last(family, dimensions, channels_last):
    configuration = FitConfiguration(
        data="",
        structures=("A",),
        family=family,
        dimensions=dimensions,
        filters=(4, 8),
        patch=(8, 8, 1 + 7 * (dimensions == 3)),
    )
    network = Segmentation(configuration, images=1).network
    kernels = [p for p in network.parameters() if p.dim() == dimensions + 2 and min(p.shape[1:]) > 1]
    assert kernels
    assert all(kernel.is_contiguous() == (not channels_last) for kernel in kernels)
