"""`Volume` against SimpleITK and nibabel: geometry, grids and orientations."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Volume, orient

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_index_to_lps_equals_that_of_simpleitk(oblique):
    image = oblique.to_sitk()
    ours = oblique.index_to_lps @ (2, 3, 4, 1)
    np.testing.assert_allclose(ours[:3], image.TransformIndexToPhysicalPoint((2, 3, 4)), atol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_conversion_to_simpleitk_and_back_changes_nothing(oblique, channels):
    volume = oblique.with_array(np.concatenate([oblique.array * scale for scale in range(1, channels + 1)]))
    back = Volume.from_sitk(volume.to_sitk())
    np.testing.assert_array_equal(back.array, volume.array)
    assert (back.spacing, back.origin, back.direction) == (volume.spacing, volume.origin, volume.direction)


def test_each_channel_becomes_a_vector_component(oblique):
    volume = oblique.with_array(np.concatenate([oblique.array, oblique.array + 100]))
    image = volume.to_sitk()
    assert image.GetPixelID() == sitk.sitkVectorFloat32
    assert image[2, 3, 4] == pytest.approx((volume.array[0, 4, 3, 2], volume.array[1, 4, 3, 2]))


def test_boolean_masks_become_uint8(oblique):
    assert oblique.with_array(oblique.array > 0).to_sitk().GetPixelID() == sitk.sitkUInt8


def test_shape_size_and_voxel_volume_have_their_orders_and_units(oblique):
    assert (oblique.channels, oblique.shape, oblique.size) == (1, (5, 6, 7), (7, 6, 5))
    assert oblique.voxel_volume_ml == pytest.approx(0.9 * 1.1 * 2.5 / 1000)


def test_identity_direction_is_named_lps():
    assert Volume(np.zeros((1, 2, 2, 2)), (1, 1, 1), (0, 0, 0), IDENTITY).orientation == "LPS"


def test_same_grid_tolerates_rounding_only(oblique):
    shifted = tuple(np.add(oblique.origin, (0.001, 0, 0)))
    assert oblique.same_grid(replace(oblique, origin=shifted))
    assert oblique.same_grid(oblique.with_array(np.zeros((3, *oblique.shape))))


@pytest.mark.parametrize("change", [
    {"origin": (-31.4, 12.25, 100.0)},
    {"spacing": (0.91, 1.1, 2.5)},
    {"direction": IDENTITY},
])  # fmt: skip
def test_same_grid_is_false_for_another_geometry(oblique, change):
    assert not oblique.same_grid(replace(oblique, **change))


def test_same_grid_is_false_for_another_size(oblique):
    assert not oblique.same_grid(replace(oblique, array=oblique.array[:, :-1]))


def test_array_of_another_shape_is_refused(oblique):
    with pytest.raises(ValueError, match="does not fit"):
        oblique.with_array(oblique.array[:, 1:])


@pytest.mark.parametrize(("spacing", "origin", "direction"), [
    ((1, 1, 0), (0, 0, 0), IDENTITY),
    ((1, 1, -1), (0, 0, 0), IDENTITY),
    ((1, 1), (0, 0, 0), IDENTITY),
    ((1, 1, 1), (0, 0, np.nan), IDENTITY),
    ((1, 1, 1), (0, 0, 0), IDENTITY[:8]),
])  # fmt: skip
def test_invalid_geometry_is_refused(spacing, origin, direction):
    with pytest.raises(ValueError, match="volume's"):
        Volume(np.zeros((1, 2, 2, 2)), spacing, origin, direction)


def test_array_without_channels_is_refused():
    with pytest.raises(ValueError, match="C, D, H, W"):
        Volume(np.zeros((2, 2, 2)), (1, 1, 1), (0, 0, 0), IDENTITY)


LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
ORIENTATIONS = [
    "".join(letters)
    for axes in permutations(("RL", "AP", "SI"))
    for letters in product(*axes)
]  # fmt: skip


def placed(orientation: str, tilt: float, numbers: np.random.Generator) -> Volume:
    """A volume whose axes point as nibabel's orientation says, then turned by `tilt` degrees thrice."""
    to_ras = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt(orientation), nibabel.orientations.axcodes2ornt("RAS")
    )
    cosines = np.zeros((3, 3))
    cosines[to_ras[:, 0].astype(int), range(3)] = to_ras[:, 1]
    turned = Rotation.from_euler("xyz", [tilt, -tilt, tilt], degrees=True).as_matrix()
    direction = LPS_TO_RAS[:3, :3] @ turned @ cosines
    array = numbers.normal(size=(2, 3, 4, 5)).astype(np.float32)
    return Volume(array, (0.5, 1.5, 4.0), (10.0, -20.0, 30.0), tuple(direction.ravel()))


def ras_affine(volume: Volume) -> np.ndarray:
    return LPS_TO_RAS @ volume.index_to_lps


def as_nibabel(volume: Volume) -> nibabel.Nifti1Image:
    """With axes x, y, z, channel."""
    return nibabel.Nifti1Image(volume.array.transpose(3, 2, 1, 0), ras_affine(volume))


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("tilt", [0, 17])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_letters_equal_those_of_nibabel(orientation, tilt, numbers):
    volume = placed(orientation, tilt, numbers)
    assert "".join(nibabel.aff2axcodes(ras_affine(volume))) == orientation
    assert volume.orientation == orientation


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_array_gets_the_orientation_that_nibabel_reads_in_it(orientation):
    array = np.arange(24).reshape(2, 3, 4)
    volume = Volume.from_array(array, (1.0, 2.0, 3.0), orientation, origin=(5, 6, 7))
    assert "".join(nibabel.aff2axcodes(ras_affine(volume))) == volume.orientation == orientation
    np.testing.assert_array_equal(volume.array, array[np.newaxis])
    assert (volume.spacing, volume.origin) == ((1, 2, 3), (5, 6, 7))


@pytest.mark.parametrize(("given", "stored"), [(">i2", "int16"), (">f4", "float32"), ("f2", "float32")])
def test_array_of_any_number_type_can_be_given_to_simpleitk(given, stored):
    array = np.arange(24).reshape(2, 3, 4).astype(given)
    volume = Volume.from_array(array, (1, 1, 1), "RAS")
    assert volume.array.dtype == stored
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.to_sitk()), array.astype(float))


def test_volume_is_shown_without_its_voxels(oblique):
    assert repr(oblique).startswith("Volume(shape=(1, 5, 6, 7), dtype=float32, spacing=(0.9, 1.1, 2.5), ")
    assert "array" not in repr(oblique)


@pytest.mark.parametrize("tilt", [0, 17])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_reorientation_to_ras_equals_that_of_nibabel(orientation, tilt, numbers):
    volume = placed(orientation, tilt, numbers)
    ours, theirs = orient(volume, "RAS"), nibabel.as_closest_canonical(as_nibabel(volume))
    np.testing.assert_array_equal(ours.array.transpose(3, 2, 1, 0), theirs.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(ras_affine(ours), theirs.affine, atol=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_reorientation_equals_that_of_simpleitk(orientation, numbers):
    volume = placed("RAS", 17, numbers)
    ours, theirs = (
        orient(volume, orientation),
        Volume.from_sitk(sitk.DICOMOrient(volume.to_sitk(), orientation)),
    )
    np.testing.assert_array_equal(ours.array, theirs.array)
    assert ours.same_grid(theirs)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_reorientation_there_and_back_restores_the_volume(orientation, numbers):
    volume = placed(orientation, 17, numbers)
    for target in ("RAS", "SPL", "PIR"):
        back = orient(orient(volume, target), orientation)
        np.testing.assert_array_equal(back.array, volume.array)
        assert (back.spacing, back.direction) == (volume.spacing, volume.direction)
        np.testing.assert_allclose(back.origin, volume.origin, atol=1e-9)


def test_tie_of_45_degrees_is_restored(numbers):
    volume = placed("LPS", 0, numbers)
    turned = Rotation.from_euler("x", 45, degrees=True).as_matrix()
    volume = replace(volume, direction=tuple(turned.ravel()))
    back = orient(orient(volume, "RAS"), volume.orientation)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.same_grid(volume)


def test_axes_get_different_letters(numbers):
    """Two axes of this volume are both nearest to the same patient axis."""
    turned = Rotation.from_euler("xyz", [44, 35, 44], degrees=True).as_matrix()
    assert len(set(np.abs(turned).argmax(axis=0))) == 2
    volume = replace(placed("LPS", 0, numbers), direction=tuple(turned.ravel()))
    assert sorted(
        {"R": "L", "A": "P", "I": "S"}.get(letter, letter) for letter in volume.orientation
    ) == list("LPS")
    assert orient(volume, "RAS").orientation == "RAS"


def test_oblique_axes_get_the_letters_of_the_best_joint_alignment(numbers):
    """Naming them one after the other, best first, leaves the last with a poor letter."""
    volume = placed("LPS", 0, numbers)
    for turned in Rotation.random(200, random_state=1).as_matrix():
        patient, index = linear_sum_assignment(-np.abs(turned))
        letters = [("LR", "PA", "SI")[p][int(turned[p, i] < 0)] for p, i in zip(patient, index, strict=True)]
        expected = "".join(letters[list(index).index(axis)] for axis in range(3))
        assert replace(volume, direction=tuple(turned.ravel())).orientation == expected


@pytest.mark.parametrize("wrong", ["", "RA", "RAR", "RAX", "ras", "RASR", "LRS"])
def test_invalid_orientation_is_refused(wrong, oblique):
    with pytest.raises(OptionError, match="48 orientations"):
        orient(oblique, wrong)
