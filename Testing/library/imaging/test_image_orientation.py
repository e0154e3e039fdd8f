"""Reorientation against nibabel, for each of the 48 orientations, straight and oblique."""

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
def test_letters_are_nibabels(orientation, tilt, numbers):
    volume = placed(orientation, tilt, numbers)
    assert "".join(nibabel.aff2axcodes(ras_affine(volume))) == orientation
    assert volume.orientation == orientation


@pytest.mark.parametrize("tilt", [0, 17])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_reorienting_to_ras_gives_what_nibabel_gives(orientation, tilt, numbers):
    volume = placed(orientation, tilt, numbers)
    ours, theirs = orient(volume, "RAS"), nibabel.as_closest_canonical(as_nibabel(volume))
    np.testing.assert_array_equal(ours.array.transpose(3, 2, 1, 0), theirs.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(ras_affine(ours), theirs.affine, atol=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_reorienting_gives_what_simpleitk_gives(orientation, numbers):
    volume = placed("RAS", 17, numbers)
    ours, theirs = (
        orient(volume, orientation),
        Volume.from_sitk(sitk.DICOMOrient(volume.to_sitk(), orientation)),
    )
    np.testing.assert_array_equal(ours.array, theirs.array)
    assert ours.same_grid(theirs)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_there_and_back_is_exact(orientation, numbers):
    volume = placed(orientation, 17, numbers)
    for target in ("RAS", "SPL", "PIR"):
        back = orient(orient(volume, target), orientation)
        np.testing.assert_array_equal(back.array, volume.array)
        assert (back.spacing, back.direction) == (volume.spacing, volume.direction)
        np.testing.assert_allclose(back.origin, volume.origin, atol=1e-9)


def test_an_exact_tie_of_45_degrees_comes_back(numbers):
    volume = placed("LPS", 0, numbers)
    turned = Rotation.from_euler("x", 45, degrees=True).as_matrix()
    volume = replace(volume, direction=tuple(turned.ravel()))
    back = orient(orient(volume, "RAS"), volume.orientation)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.same_grid(volume)


def test_two_axes_never_get_the_same_letter(numbers):
    """Two axes of this volume are both nearest to the same patient axis."""
    turned = Rotation.from_euler("xyz", [44, 35, 44], degrees=True).as_matrix()
    assert len(set(np.abs(turned).argmax(axis=0))) == 2
    volume = replace(placed("LPS", 0, numbers), direction=tuple(turned.ravel()))
    assert sorted(
        {"R": "L", "A": "P", "I": "S"}.get(letter, letter) for letter in volume.orientation
    ) == list("LPS")
    assert orient(volume, "RAS").orientation == "RAS"


def test_oblique_axes_are_named_for_the_best_alignment_of_all_three(numbers):
    """Naming them one after the other, best first, leaves the last with a poor letter."""
    volume = placed("LPS", 0, numbers)
    for turned in Rotation.random(200, random_state=1).as_matrix():
        patient, index = linear_sum_assignment(-np.abs(turned))
        letters = [("LR", "PA", "SI")[p][int(turned[p, i] < 0)] for p, i in zip(patient, index, strict=True)]
        expected = "".join(letters[list(index).index(axis)] for axis in range(3))
        assert replace(volume, direction=tuple(turned.ravel())).orientation == expected


@pytest.mark.parametrize("wrong", ["", "RA", "RAR", "RAX", "ras", "RASR", "LRS"])
def test_what_is_no_orientation_is_refused(wrong, oblique):
    with pytest.raises(OptionError, match="48 orientations"):
        orient(oblique, wrong)
