"""`Volume` keeps its geometry through SimpleITK, and knows another grid from its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from TrustSegLib.imaging import Volume

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_index_to_lps_is_where_simpleitk_puts_a_voxel(oblique):
    image = oblique.to_sitk()
    ours = oblique.index_to_lps @ (2, 3, 4, 1)
    np.testing.assert_allclose(ours[:3], image.TransformIndexToPhysicalPoint((2, 3, 4)), atol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_simpleitk_and_back_changes_nothing(oblique, channels):
    volume = oblique.with_array(np.concatenate([oblique.array * scale for scale in range(1, channels + 1)]))
    back = Volume.from_sitk(volume.to_sitk())
    np.testing.assert_array_equal(back.array, volume.array)
    assert (back.spacing, back.origin, back.direction) == (volume.spacing, volume.origin, volume.direction)


def test_a_channel_goes_to_its_own_vector_component(oblique):
    volume = oblique.with_array(np.concatenate([oblique.array, oblique.array + 100]))
    image = volume.to_sitk()
    assert image.GetPixelID() == sitk.sitkVectorFloat32
    assert image[2, 3, 4] == pytest.approx((volume.array[0, 4, 3, 2], volume.array[1, 4, 3, 2]))


def test_boolean_masks_become_uint8(oblique):
    assert oblique.with_array(oblique.array > 0).to_sitk().GetPixelID() == sitk.sitkUInt8


def test_sizes_and_units(oblique):
    assert (oblique.channels, oblique.shape, oblique.size) == (1, (5, 6, 7), (7, 6, 5))
    assert oblique.voxel_volume_ml == pytest.approx(0.9 * 1.1 * 2.5 / 1000)


def test_identity_direction_is_named_lps():
    assert Volume(np.zeros((1, 2, 2, 2)), (1, 1, 1), (0, 0, 0), IDENTITY).orientation == "LPS"


def test_same_grid_forgives_rounding_only(oblique):
    shifted = tuple(np.add(oblique.origin, (0.001, 0, 0)))
    assert oblique.same_grid(replace(oblique, origin=shifted))
    assert oblique.same_grid(oblique.with_array(np.zeros((3, *oblique.shape))))


@pytest.mark.parametrize("change", [
    {"origin": (-31.4, 12.25, 100.0)},
    {"spacing": (0.91, 1.1, 2.5)},
    {"direction": IDENTITY},
])  # fmt: skip
def test_same_grid_sees_another_place(oblique, change):
    assert not oblique.same_grid(replace(oblique, **change))


def test_same_grid_sees_another_size(oblique):
    assert not oblique.same_grid(replace(oblique, array=oblique.array[:, :-1]))


def test_an_array_of_another_shape_does_not_get_the_geometry(oblique):
    with pytest.raises(ValueError, match="does not fit"):
        oblique.with_array(oblique.array[:, 1:])


@pytest.mark.parametrize(("spacing", "origin", "direction"), [
    ((1, 1, 0), (0, 0, 0), IDENTITY),
    ((1, 1, -1), (0, 0, 0), IDENTITY),
    ((1, 1), (0, 0, 0), IDENTITY),
    ((1, 1, 1), (0, 0, np.nan), IDENTITY),
    ((1, 1, 1), (0, 0, 0), IDENTITY[:8]),
])  # fmt: skip
def test_a_volume_without_a_true_geometry_is_not_made(spacing, origin, direction):
    with pytest.raises(ValueError, match="volume's"):
        Volume(np.zeros((1, 2, 2, 2)), spacing, origin, direction)


def test_an_array_without_channels_is_not_taken():
    with pytest.raises(ValueError, match="C, D, H, W"):
        Volume(np.zeros((2, 2, 2)), (1, 1, 1), (0, 0, 0), IDENTITY)
