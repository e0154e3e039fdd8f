"""Volumes that can be segmented, and those that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
from scene_samples import load_volume


def test_components_are_not_channels(scene, tmp_path):
    from TrustSegModule import input_volume

    channels = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    image = sitk.GetImageFromArray(np.moveaxis(channels, 0, -1), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "two.nrrd"))
    node = load_volume(scene, tmp_path / "two.nrrd", kind="Vector")
    np.testing.assert_array_equal(input_volume.image_array(node), channels)


def test_whole_volume_is_copied(scene):
    import slicer

    from TrustSegModule import input_volume

    node = load_volume(scene)
    assert np.shares_memory(input_volume.image_array(node), slicer.util.arrayFromVolume(node))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda node: node.SetAndObserveImageData(None), "holds no image"),
        (lambda node: node.SetIJKToRASDirections(1, 0.1, 0, 0, 1, 0, 0, 0, 1), "right angles"),
        (lambda node: node.SetIJKToRASDirections(1, 0, 0, 1, 0, 0, 0, 0, 1), "right angles"),
        (lambda node: node.SetSpacing(1, 0, 1), "not valid"),
        (lambda node: node.SetOrigin(np.nan, 0, 0), "not valid"),
    ],
    ids=["empty", "sheared", "flat", "no spacing", "nowhere"],
)
def test_volume_without_a_place_or_voxels_is_accepted(scene, damage, message):
    from TrustSegModule import input_volume
    from TrustSegModule.errors import SceneError

    node = load_volume(scene, name="Head")
    damage(node)
    with pytest.raises(SceneError, match=message) as caught:
        input_volume.request_geometry(node)
    assert "'Head'" in str(caught.value)
    assert "\n" not in str(caught.value)
