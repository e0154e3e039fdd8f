"""Segmenting a region of interest: the same result inside, background elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from TrustSegLib.contract import MAP_NAMES
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization, Volume
from TrustSegLib.inference import Roi, SegmentOptions, segment

MakeModel = Callable[..., SimpleNamespace]
MakeVolume = Callable[..., Volume]


@pytest.mark.parametrize(
    "roi",
    [Roi((-27.2, -21.1, -16.3, -11.2, -7.1, -2.2)), Roi((2, 9, 3, 7, 1, 6), "index")],
    ids=["mm", "voxels"],
)
@pytest.mark.parametrize("spacing", [1.0, 1.4])
def test_roi_changes_nothing_within_and_leaves_background_outside(
    make_model: MakeModel,
    make_volume: MakeVolume,
    pointwise: torch.nn.Module,
    rotation: np.ndarray,
    roi: Roi,
    spacing: float,
) -> None:
    image = make_volume(rotation=rotation)
    # Brighter in one corner: statistics of the ROI would not be those of the image.
    array = image.array.copy()
    array[:, :6, :6, :6] += 2.0
    image = image.with_array(array)
    original = pointwise.class_moments
    # Brings z-scores between 0 and 1, as the network expects.
    pointwise.class_moments = lambda patches: original(torch.sigmoid(patches))
    model = make_model(pointwise, spacing=(spacing,) * 3, patch=(4, 4, 4), normalization=Normalization())
    whole = segment(image, model, SegmentOptions(maps=MAP_NAMES))
    part = segment(image, model, SegmentOptions(maps=MAP_NAMES, roi=roi))
    inside = np.zeros(image.shape, dtype=bool)
    positions = image.index_to_lps
    for z, y, x in np.ndindex(*image.shape):
        ras = (positions @ [x, y, z, 1])[:3] * [-1, -1, 1]
        low, high = np.array(roi.bounds[::2]), np.array(roi.bounds[1::2])
        index = np.array([x, y, z])
        inside[z, y, x] = (
            ((index >= low) & (index < high)).all()
            if roi.space == "index"
            else ((ras >= low) & (ras <= high)).all()
        )
    assert 20 < inside.sum() < 0.5 * inside.size
    assert part.labels.same_grid(image)
    for found, expected in [(part.labels, whole.labels)] + [(part.maps[n], whole.maps[n]) for n in MAP_NAMES]:
        np.testing.assert_allclose(found.array[0][inside], expected.array[0][inside], atol=1e-5)
        np.testing.assert_array_equal(found.array[0][~inside], 0)
    assert part.labels.array[0][inside].any()
    assert part.provenance["patches"] < whole.provenance["patches"]
    assert part.provenance["roi"] == str(roi)


def test_network_gets_a_small_roi_with_its_real_surroundings(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image = make_volume()
    segment(image, make_model(pointwise), SegmentOptions(roi=Roi((0, 2, 5, 7, 9, 11), "index")))
    patch = pointwise.seen[0][0, 0]
    for axis in range(3):
        # Filling up would have repeated planes.
        assert (patch.diff(dim=axis).abs().amax(dim=[other for other in range(3) if other != axis]) > 0).all()


def test_roi_beside_the_image_is_an_option_error(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    with pytest.raises(OptionError, match="holds no voxel"):
        segment(make_volume(), make_model(pointwise), SegmentOptions(roi=Roi((500, 600, 0, 1, 0, 1))))
    assert pointwise.seen == []
