"""Positions of voxels equal those of SimpleITK, for every orientation that a file can have."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
from panel_runs import mask
from scene_samples import IMAGE, MODEL, load_volume, made_up_result

RAS = np.array([-1, -1, 1])


def reoriented(order: tuple[int, ...], signs: tuple[int, ...]) -> sitk.Image:
    image = sitk.PermuteAxes(sitk.ReadImage(str(IMAGE)), order)
    return sitk.Flip(image, [sign < 0 for sign in signs])


def oblique(image: sitk.Image, *degrees: float) -> sitk.Image:
    rotation = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees))
    cosines = np.reshape(rotation.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
    image.SetDirection(cosines.ravel().tolist())
    image.SetOrigin((12.5, -40.25, 7))
    image.SetSpacing((0.9, 1.1, 2.5))
    return image


def some_indices(image: sitk.Image) -> list[tuple[int, ...]]:
    last = [size - 1 for size in image.GetSize()]
    return [(0, 0, 0), (3, 5, 7), (last[0], 0, 0), (0, last[1], 0), (0, 0, last[2]), tuple(last)]


def check(scene, image: sitk.Image, path: Path) -> None:
    """Compare a file, as MRML loads it and as the module describes it, with SimpleITK; then put a result."""
    from TrustSegModule.results import nodes
    from TrustSegModule.scene import inputs
    from TrustSegModule.scene.geometry import ijk_to_ras

    sitk.WriteImage(image, str(path))
    node = load_volume(scene, path)
    array, geometry = inputs.image_array(node)[0], inputs.request_geometry(node)
    again = sitk.GetImageFromArray(array)
    again.SetSpacing(geometry.spacing)
    again.SetOrigin(geometry.origin)
    again.SetDirection(geometry.direction)
    answer = made_up_result(np.arange(array.size).reshape(array.shape) % 7 == 0)
    result = nodes.put_result(scene, node, answer, MODEL)
    error_map = result.maps["error_probability"]
    labelmap = (
        result.segmentation.GetSegmentation().GetSegment("Segment_1").GetRepresentation("Binary labelmap")
    )
    for index in some_indices(again):
        point = again.TransformIndexToPhysicalPoint(index)
        # The file of the reader itself: MRML may flip axes when it loads, so the value names the voxel.
        there = image.TransformPhysicalPointToIndex(point)
        assert image.GetPixel(there) == pytest.approx(array[index[::-1]])
        assert image.TransformIndexToPhysicalPoint(there) == pytest.approx(point, abs=1e-3)
        ras = np.array(point) * RAS
        assert (ijk_to_ras(error_map) @ (*index, 1))[:3] == pytest.approx(ras, abs=1e-3)
        assert labelmap_point(labelmap, index) == pytest.approx(ras, abs=1e-3)
    np.testing.assert_array_equal(mask(result.segmentation), answer.labels)


def labelmap_point(labelmap, index: tuple[int, ...]) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    return np.array(matrix.MultiplyPoint((*index, 1))[:3])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_mask_and_map_coincide_with_the_image_in_all_48_orientations(scene, tmp_path, order):
    for number, signs in enumerate(itertools.product((1, -1), repeat=3)):
        check(scene, reoriented(order, signs), tmp_path / f"image{number}.nii.gz")
        scene.Clear(0)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("degrees", [(20, 0, 0), (10, -35, 70)])
def test_mask_and_map_coincide_with_an_oblique_image(scene, tmp_path, degrees, suffix):
    check(scene, oblique(reoriented((2, 0, 1), (1, -1, 1)), *degrees), tmp_path / f"oblique{suffix}")


def test_volume_in_scene_equals_volume_of_library(scene):
    """What the worker gets from the scene is what the command line reads from the file."""
    from TrustSegLib.imaging import read_volume
    from TrustSegModule.scene import inputs

    node, volume = load_volume(scene), read_volume(IMAGE)
    geometry = inputs.request_geometry(node)
    np.testing.assert_array_equal(inputs.image_array(node), volume.array)
    np.testing.assert_allclose(geometry.spacing, volume.spacing)
    np.testing.assert_allclose(geometry.origin, volume.origin, atol=1e-4)
    np.testing.assert_allclose(geometry.direction, volume.direction, atol=1e-6)
