"""Quality of an image: what each fact measures, and which damage it sees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from TrustSegLib.imaging import Volume, orient
from TrustSegLib.uncertainty.image_quality import quality_facts

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (36, 42, 48)


def volume(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> Volume:
    return Volume(array[None].astype(np.float32), spacing, (5.0, -3.0, 9.0), LPS)


def anatomy(seed: int = 0, shape=SHAPE) -> np.ndarray:
    """Tissue with edges and texture at every scale, and a little noise."""
    generator = np.random.default_rng(seed)
    coarse = gaussian_filter(generator.normal(size=shape), 4) * 200
    fine = gaussian_filter(generator.normal(size=shape), 1) * 3
    return 500 + 60 * (coarse > 0) + 40 * (coarse > 2) + 10 * fine + generator.normal(0, 2, shape)


def values(array: np.ndarray, modality: str = "MR") -> dict[str, float]:
    found = quality_facts(volume(array), volume(array), modality)
    return {name: fact.value for name, fact in found.items()}


def test_noise_is_measured_whatever_the_anatomy():
    smooth = np.linspace(0, 1000, 40)[:, None, None] + np.linspace(0, 900, 40)[:, None] + np.zeros(40)
    noisy = smooth + np.random.default_rng(0).normal(0, 20, smooth.shape)
    assert values(noisy, "CT")["noise"] == pytest.approx(20, rel=0.05)
    low, high = np.percentile(noisy, (0.5, 99.5))
    assert values(noisy)["noise"] == pytest.approx(100 * 20 / (high - low), rel=0.1)


def test_detail_of_white_noise_is_1_and_of_a_slope_a_half():
    noise = np.random.default_rng(0).normal(500, 100, (30, 30, 30))
    assert values(noise, "CT")["detail"] == pytest.approx(1, abs=0.02)
    slope = np.add.outer(np.add.outer(np.arange(30.0), np.arange(30.0)), np.arange(30.0))
    assert values(slope, "CT")["detail"] == pytest.approx(0.5)


def ghosted(array: np.ndarray, share: float = 0.2) -> np.ndarray:
    """A copy a third of the image further on, around its end."""
    return (1 - share) * array + share * np.roll(array, len(array) // 3, axis=0)


def rippled(array: np.ndarray) -> np.ndarray:
    """One false point in k-space."""
    return array + 15 * np.sin(2 * np.pi * 0.3 * np.arange(array.shape[2]) + 1.0)


@pytest.mark.parametrize("damage", [ghosted, rippled])
def test_echo_tells_ghosts_and_ripples_from_anatomy(damage):
    clean = max(values(anatomy(seed))["echo"] for seed in range(5))
    assert values(damage(anatomy(7)))["echo"] > 2 * clean


def test_repetition_adds_up_what_no_single_echo_shows():
    """A weak ripple along all axes at once."""
    clean = max(values(anatomy(seed))["ripple"] for seed in range(5))
    weak = anatomy(7) + sum(
        5 * np.sin(2 * np.pi * step * np.arange(size)).reshape([-1 if axis == own else 1 for own in range(3)])
        for axis, (size, step) in enumerate(zip(SHAPE, (0.23, 0.31, 0.37), strict=True))
    )
    assert values(weak)["ripple"] > 2 * clean


@pytest.mark.parametrize("name", ["noise", "detail", "echo", "ripple"])
@pytest.mark.parametrize("gain", [0.001, 7.0, 30000.0])
def test_gain_changes_nothing_in_mr(name, gain):
    assert values(gain * anatomy())[name] == pytest.approx(values(anatomy())[name], rel=1e-3)


def test_order_and_direction_of_the_files_axes_have_no_influence():
    here = volume(anatomy(), (1.0, 2.0, 1.5))
    found = [
        {name: fact.value for name, fact in quality_facts(there, there, "MR").items()}
        for there in (here, orient(here, "SRA"), orient(here, "RAS"))
    ]
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])


def test_constant_and_thin_images_lack_the_undefined_facts():
    assert values(np.full((20, 20, 20), 3.0)) == {}
    assert values(anatomy(0, (1, 2, 3))) == {}
    assert set(values(anatomy(0, (8, 8, 8)))) == {"noise", "detail"}
    assert "noise" not in values(np.full((30, 30, 30), -1000.0), "CT")


def test_facts_of_each_channel_are_told_apart():
    both = Volume(np.stack([anatomy(0), anatomy(1)]).astype(np.float32), (1, 1, 1), (0, 0, 0), LPS)
    facts = quality_facts(both, both, "MR")
    assert facts["channel_2_echo"].text == "echo of fine detail of channel 2"
    assert facts["channel_1_noise"] != facts["channel_2_noise"]
