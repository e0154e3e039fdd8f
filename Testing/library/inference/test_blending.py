"""The blend of overlapping patches is the stated average, and streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from TrustSegLib.inference.blending import RollingBlend, gaussian_weight


def test_weight_is_a_gaussian_of_an_eighth_of_the_patch() -> None:
    weight = gaussian_weight((9, 1, 17))
    assert weight.max() == weight[4, 0, 8] == 1.0
    assert weight.min() > 0.0
    torch.testing.assert_close(weight[4, 0, 8 + 2].item(), float(np.exp(-0.5 * (2 / (0.125 * 17)) ** 2)))
    torch.testing.assert_close(weight, weight.flip(0, 2))


def test_standard_deviations_add_linearly_where_two_patches_overlap() -> None:
    mean, variance = np.zeros((1, 6, 1, 1), np.float32), np.zeros((1, 6, 1, 1), np.float32)
    blend = RollingBlend(mean, variance, (4, 1, 1))
    blend.add((0, 0, 0), torch.full((1, 4, 1, 1), 0.2), torch.full((1, 4, 1, 1), 0.1))
    blend.add((2, 0, 0), torch.full((1, 4, 1, 1), 0.6), torch.full((1, 4, 1, 1), 0.3))
    blend.finish()
    # Sigma is .125 * 4 = .5 voxels; row 2 is .5 from the first patch's center and 1.5 from the second's.
    near, far = np.exp(-0.5 * (0.5 / 0.5) ** 2), np.exp(-0.5 * (1.5 / 0.5) ** 2)
    p = (near * 0.2 + far * 0.6) / (near + far)
    sd = (near * 0.1 + far * 0.3) / (near + far)
    np.testing.assert_allclose(mean.ravel(), [0.2, 0.2, p, 0.8 - p, 0.6, 0.6], rtol=1e-6)
    np.testing.assert_allclose(variance.ravel(), np.square([0.1, 0.1, sd, 0.4 - sd, 0.3, 0.3]), rtol=1e-6)


def test_blended_variance_stays_below_that_of_a_bernoulli_variable() -> None:
    mean, variance = np.zeros((1, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    blend = RollingBlend(mean, variance, (2, 2, 2))
    blend.add((0, 0, 0), torch.full((1, 2, 2, 2), 0.1), torch.ones((1, 2, 2, 2)))
    blend.finish()
    np.testing.assert_allclose(variance, 0.09, rtol=1e-6)


def test_rows_leave_memory_as_soon_as_no_patch_can_touch_them() -> None:
    mean, variance = np.full((1, 8, 2, 2), np.nan, np.float32), np.zeros((1, 8, 2, 2), np.float32)
    blend = RollingBlend(mean, variance, (4, 2, 2))
    patch = torch.full((1, 4, 2, 2), 0.5), torch.full((1, 4, 2, 2), 0.1)
    blend.add((0, 0, 0), *patch)
    assert np.isnan(mean).all()
    blend.add((3, 0, 0), *patch)
    np.testing.assert_allclose(mean[:, :3], 0.5)
    assert np.isnan(mean[:, 3:]).all()
    blend.add((4, 0, 0), *patch)
    blend.finish()
    np.testing.assert_allclose(mean, 0.5)


def test_patches_out_of_order_are_refused() -> None:
    blend = RollingBlend(np.zeros((1, 8, 2, 2), np.float32), np.zeros((1, 8, 2, 2), np.float32), (4, 2, 2))
    patch = torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    blend.add((2, 0, 0), *patch)
    with pytest.raises(ValueError, match="order"):
        blend.add((1, 0, 0), *patch)
