"""A region of interest holds the part of the patient that was asked for, on any grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Volume, orient
from TrustSegLib.imaging.grid import Box, Grid, Roi


def make_volume(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), rotation: np.ndarray | None = None
) -> Volume:
    """Volume of 14 x 12 x 11 voxels in RAS orientation, turned about the patient's axes."""
    array = np.random.default_rng(7).random((1, 11, 12, 14), dtype=np.float32)
    axes = (np.eye(3) if rotation is None else rotation) @ np.diag([-1.0, -1.0, 1.0])
    return Volume(array, spacing, (30.0, 20.0, -10.0), tuple(axes.ravel()))


def _inside_by_itk(volume: Volume, bounds: tuple[float, ...]) -> np.ndarray:
    """Voxels whose center, as SimpleITK has it, lies in a box of RAS mm."""
    image = volume.to_sitk()
    inside = np.zeros(volume.shape, dtype=bool)
    for z, y, x in np.ndindex(*volume.shape):
        left, posterior, superior = image.TransformIndexToPhysicalPoint((x, y, z))
        pairs = zip((-left, -posterior, superior), bounds[::2], bounds[1::2], strict=True)
        inside[z, y, x] = all(low <= position <= high for position, low, high in pairs)
    return inside


def _whole_mask(roi: Roi, volume: Volume) -> np.ndarray:
    grid = Grid.of(volume)
    box = roi.box(grid)
    mask = np.zeros(volume.shape, dtype=bool)
    mask[box.slices] = roi.inside(grid, box)
    return mask


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SRP"])
@pytest.mark.parametrize("is_oblique", [False, True])
def test_mm_box_holds_the_voxels_whose_center_is_in_it(orientation: str, is_oblique: bool) -> None:
    rotation = Rotation.from_euler("zx", [15, 20], degrees=True).as_matrix() if is_oblique else None
    volume = make_volume(spacing=(1.0, 1.5, 2.0), rotation=rotation)
    bounds = (-28.1, -20.2, -13.3, -6.6, -4.4, 6.1)
    volume = orient(volume, orientation)
    expected = _inside_by_itk(volume, bounds)
    assert 10 < expected.sum() < 0.5 * expected.size
    np.testing.assert_array_equal(_whole_mask(Roi(bounds), volume), expected)


def test_voxel_box_is_half_open_and_along_the_file_axes() -> None:
    volume = orient(make_volume(), "SRP")
    roi = Roi((1, 3, 2, 6, 4, 5), "index")
    assert roi.box(Grid.of(volume)) == Box((4, 2, 1), (5, 6, 3))
    expected = np.zeros(volume.shape, dtype=bool)
    expected[4:5, 2:6, 1:3] = True
    whole = Box((0, 0, 0), volume.shape)
    np.testing.assert_array_equal(roi.inside(Grid.of(volume), whole), expected)


def test_box_is_clipped_to_the_image() -> None:
    grid = Grid.of(make_volume())
    assert Roi((-5, 100, 3, 100, -2, 4), "index").box(grid) == Box((0, 3, 0), (4, 12, 14))
    assert Roi((-1e3, 1e3, -1e3, 1e3, -1e3, 1e3)).box(grid) == Box((0, 0, 0), grid.shape)


@pytest.mark.parametrize(
    ("roi", "extent"),
    [
        (Roi((50, 60, -10, 0, 0, 10)), r"-30.5,-16.5,-20.5,-8.5,-10.5,0.5 mm"),
        (Roi((14, 20, 0, 5, 0, 5), "index"), r"0,14,0,12,0,11 voxels"),
        # Between two voxel centers.
        (Roi((-29.6, -29.4, -15.0, -13.0, -5.0, -3.0)), "holds no voxel"),
    ],
)
def test_error_of_a_box_without_a_voxel_names_what_the_image_covers(roi: Roi, extent: str) -> None:
    with pytest.raises(OptionError, match=extent):
        roi.box(Grid.of(make_volume()))


def test_roi_equals_its_text() -> None:
    assert Roi.parse("-1.5,2,0,3,4,5e1") == Roi((-1.5, 2.0, 0.0, 3.0, 4.0, 50.0))
    assert Roi.parse("index:0,2,1,3,4,5") == Roi((0, 2, 1, 3, 4, 5), "index")
    for text in ("-1.5,2,0,3,4,50", "index:0,2,1,3,4,5"):
        assert str(Roi.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "six numbers"),
        ("a,2,0,1,0,1", "six numbers"),
        ("nan,2,0,1,0,1", "six numbers"),
        ("2,1,0,1,0,1", "below its upper"),
        ("0,0,0,1,0,1", "below its upper"),
        ("index:0,1.5,0,1,0,1", "whole numbers"),
    ],
)
def test_text_without_a_valid_box_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Roi.parse(text)


def test_unknown_space_is_refused() -> None:
    with pytest.raises(OptionError, match="ras or index"):
        Roi((0, 1, 0, 1, 0, 1), "lps")


def test_box_grows_within_the_image_to_hold_a_patch() -> None:
    assert Box((8, 0, 3), (10, 2, 6)).grown_to((6, 4, 2), (10, 20, 20)) == Box((4, 0, 3), (10, 4, 6))
    assert Box((1, 1, 1), (2, 2, 2)).grown_to((8, 3, 1), (4, 4, 4)) == Box((0, 0, 1), (4, 3, 2))
