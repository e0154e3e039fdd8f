"""The plan of the work: an absurd one is refused in one line before it starts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import plan

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def volume(size, spacing) -> Volume:
    """An image of `size` voxels, x, y, z, that takes no memory."""
    return Volume(np.broadcast_to(np.uint8(0), (1, *size[::-1])), spacing, (0, 0, 0), IDENTITY)


def check(image: Volume, spacing=(1.0, 1.0, 1.0)) -> None:
    description = SimpleNamespace(name="tiny", input=SimpleNamespace(spacing_mm=spacing))
    plan.check_plan(image, description)


@pytest.mark.parametrize(
    ("size", "spacing"),
    [
        ((35, 52, 37), (1, 1, 1)),
        ((512, 512, 600), (0.8, 0.8, 1.5)),
        ((256, 256, 20), (0.9, 0.9, 8)),
        ((168, 168, 200), (4, 4, 5)),
        ((8, 8, 8), (10, 10, 10)),
    ],
)
def test_usual_images_are_accepted(size, spacing):
    check(volume(size, spacing))


@pytest.mark.parametrize(("size", "spacing"), [((35, 52, 37), (10, 10, 10)), ((35, 52, 37), (150, 150, 150))])
def test_voxels_too_coarse_for_the_model_are_refused_by_their_size(size, spacing):
    with pytest.raises(
        ImageError, match=r"^voxels of (10|150) x (10|150) x (10|150) mm .* million voxels"
    ) as caught:
        check(volume(size, spacing))
    assert "\n" not in str(caught.value)


def test_too_many_voxels_are_refused():
    with pytest.raises(ImageError, match="4,096 million voxels"):
        check(volume((800, 800, 800), (1, 1, 1)), (0.5, 0.5, 0.5))


def test_image_larger_than_the_memory_of_the_computer_is_refused(monkeypatch):
    monkeypatch.setattr(plan, "_memory_gb", lambda: 0.5)
    with pytest.raises(ImageError, match=r"\(1\.0 GB\)"):
        check(volume((500, 500, 500), (1, 1, 1)))


def test_image_smaller_than_two_voxels_of_the_model_is_refused():
    with pytest.raises(ImageError, match=r"voxels of 0\.003 x 0\.003 x 0\.003 mm: .* unit of length"):
        check(volume((50, 50, 50), (0.003, 0.003, 0.003)))


def test_memory_grows_with_the_image_the_maps_and_the_classes():
    ct = Volume(np.broadcast_to(np.int16(0), (1, 300, 512, 512)), (0.97, 0.97, 2), (0, 0, 0), IDENTITY)
    few, many = (SimpleNamespace(classes=classes) for classes in (2, 100))
    seen = (240, 127, 127)
    usual = plan.memory_gb(ct, seen, few, 1, 2)
    # Measured: 1.7 GB.
    assert 1.3 < usual < 2.2
    assert plan.memory_gb(ct, seen, many, 1, 2) > usual + 1
    assert plan.memory_gb(ct, seen, few, 4, 2) > usual + 0.5
    # Beyond the budget, class moments are in files.
    assert plan.memory_gb(ct, (2400, 512, 512), many, 1, 1) < usual + 2
