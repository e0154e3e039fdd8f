"""A result made by hand, as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hand_made_results import STRUCTURES, NamedColor, hand_made_labels, hand_made_result, hand_made_volume

from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentationResult


@pytest.fixture
def volume() -> Volume:
    return hand_made_volume()


@pytest.fixture
def result(volume: Volume) -> SegmentationResult:
    return hand_made_result(volume, hand_made_labels(volume.shape))


@pytest.fixture
def structures() -> tuple[NamedColor, ...]:
    return STRUCTURES


@pytest.fixture
def make_case() -> Callable[..., tuple[Volume, SegmentationResult]]:
    """Make a volume and its result: by shape and spacing, with other labels or values."""

    def make(shape=(20, 24, 28), spacing=(1.0, 1.5, 2.0), labels=None, error=None, **other):
        volume = hand_made_volume(shape, spacing)
        labels = hand_made_labels(shape) if labels is None else labels
        return volume, hand_made_result(volume, labels, error, **other)

    return make
