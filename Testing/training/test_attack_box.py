"""The images an attack may choose from, and how far one is from the clean one."""

from __future__ import annotations

import math

import pytest
import torch

from trustseg_training.attacks.box import Box


def test_random_start_fills_the_box():
    image = torch.zeros(1, 8, 8, 8)
    image[0, 0], image[0, 1] = -2, 2
    start = Box.around(image, 0.1).random_image(0)
    inner = start[0, 2:]
    assert inner.abs().max() <= 0.4
    assert inner.abs().max() > 0.35
    assert inner.abs().mean().item() == pytest.approx(0.2, abs=0.03)


def test_epsilon_counts_in_the_range_of_each_channel_and_no_channel_leaves_its_own():
    image = torch.zeros(2, 1, 1, 4)
    image[0, 0, 0] = torch.tensor([0.0, 1.0, 2.0, 4.0])
    image[1, 0, 0] = torch.tensor([-10.0, 0.0, 0.0, 10.0])
    box = Box.around(image, 0.1)
    gradient = torch.tensor([-1.0, 3.0, 0.0, 2.0]).expand(2, 1, 1, 4)
    moved = box.step(image, gradient, 0.05)
    assert (moved - image)[0].flatten().tolist() == pytest.approx([0, 0.2, 0, 0], abs=1e-6)
    assert (moved - image)[1].flatten().tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)
    for _ in range(5):
        moved = box.step(moved, gradient, 0.05)
    assert (moved - image)[:, 0, 0, 1].tolist() == pytest.approx([0.4, 2], abs=1e-6)


def test_snr_is_that_of_the_image_scaled_to_the_unit_range():
    image = torch.tensor([-10.0, 0.0, 10.0, 10.0]).view(1, 1, 1, 4)
    changed = torch.tensor([-10.0, 2.0, 8.0, 10.0]).view(1, 1, 1, 4)
    expected = 10 * math.log10((0.25 + 1 + 1) / (0.01 + 0.01))
    box = Box.around(image, 0.1)
    assert box.snr_db(changed) == pytest.approx(expected, abs=1e-5)
    assert box.snr_db(image) == math.inf
