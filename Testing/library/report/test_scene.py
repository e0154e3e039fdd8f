"""The picture shows the same anatomy the same way round, however the file stores it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from TrustSegLib.imaging import Volume, orient
from TrustSegLib.report.planes import PLANES
from TrustSegLib.report.scene import make_scene

ORIENTATIONS = ["".join(letters) for axes in permutations(("LR", "PA", "SI")) for letters in product(*axes)]
AXIAL, CORONAL, SAGITTAL = PLANES


def scene_of(volume, result, orientation=None):
    volumes = [volume, result.labels, result.maps["error_probability"]]
    return make_scene(*(orient(each, orientation) for each in volumes) if orientation else volumes)


def test_all_48_orientations_are_tried():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_of_a_file_gives_the_same_picture(volume, result, orientation):
    scene, other = scene_of(volume, result), scene_of(volume, result, orientation)
    for name in ("image", "labels", "uncertainty"):
        np.testing.assert_array_equal(getattr(other, name), getattr(scene, name))
    assert other.spacing == scene.spacing
    assert other.index == scene.index
    np.testing.assert_allclose(other.point_ras, scene.point_ras, atol=1e-6)


@pytest.mark.parametrize(
    ("voxel", "plane", "corner"),
    [
        # Axes to left, posterior, superior: index 0 is right, anterior, inferior. Rows go down.
        ((7, 0, 0), AXIAL, (0, 0)),
        ((7, -1, -1), AXIAL, (-1, -1)),
        ((0, 12, 0), CORONAL, (-1, 0)),
        ((-1, 12, -1), CORONAL, (0, -1)),
        ((0, 0, 8), SAGITTAL, (-1, 0)),
        ((-1, -1, 8), SAGITTAL, (0, -1)),
    ],
)
def test_right_is_left_anterior_and_superior_are_up(volume, result, voxel, plane, corner):
    volume.array[(0, *voxel)] = 1e6
    scene = scene_of(volume, result)
    assert plane.slice(scene.image, scene.index)[corner] == 1e6


def test_structures_lie_right_of_the_patient_and_so_left_in_the_picture(volume, result):
    axial = AXIAL.slice(scene_of(volume, result).labels, scene_of(volume, result).index)
    assert np.argwhere(axial)[:, 1].mean() < axial.shape[1] / 2
    assert np.argwhere(axial == 1)[:, 0].mean() < np.argwhere(axial == 2)[:, 0].mean()


def test_position_is_that_of_the_voxel_in_the_patient(volume, result):
    # Voxel (z, y, x) = (7, 12, 8) of the file; LPS to RAS turns the signs of x and y.
    expected = (-(-10.0 + 8 * 1.0), -(-20.0 + 12 * 1.5), 30.0 + 7 * 2.0)
    np.testing.assert_allclose(scene_of(volume, result).point_ras, expected)


def test_sizes_are_in_mm(volume, result):
    scene = scene_of(volume, result)
    assert [scene.size_mm(plane) for plane in PLANES] == [(36.0, 28.0), (40.0, 28.0), (40.0, 36.0)]


def turned(volume: Volume, degrees: float) -> Volume:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    direction = (1, 0, 0, 0, cosine, -sine, 0, sine, cosine)
    return Volume(volume.array, volume.spacing, volume.origin, direction)


@pytest.mark.parametrize(("degrees", "oblique"), [(3, (False, False, False)), (20, (True, True, False))])
def test_planes_oblique_to_the_patient_are_marked(volume, result, degrees, oblique):
    volumes = [volume, result.labels, result.maps["error_probability"]]
    assert make_scene(*(turned(each, degrees) for each in volumes)).oblique == oblique


def test_window_that_is_given_is_kept(volume, result):
    volumes = [volume, result.labels, result.maps["error_probability"]]
    assert make_scene(*volumes, window=(-100.0, 300.0)).window == (-100.0, 300.0)


def test_view_of_one_value_still_has_a_window(volume, result):
    flat = volume.with_array(np.full_like(volume.array, 7.0))
    low, high = scene_of(flat, result).window
    assert low < high
