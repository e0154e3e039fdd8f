"""Facts of an image on the grid of a model, whatever the grid of the file."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.inference import training_comparison as module
from TrustSegLib.inference.training_comparison import image_facts

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def texture(shape: tuple[int, int, int] = (36, 42, 48)) -> Volume:
    """Detail of about a millimeter, the same along all axes."""
    array = 500 + 100 * gaussian_filter(np.random.default_rng(0).normal(size=shape), 1)
    return Volume(array[None].astype(np.float32), (1.0, 1.0, 1.0), (5.0, -3.0, 9.0), LPS)


def of_model(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), orientation: str = "LPS"
) -> SimpleNamespace:
    grid = SimpleNamespace(spacing_mm=spacing, orientation=orientation)
    return SimpleNamespace(modality="MR", input=grid)


def quality(image: Volume, model: SimpleNamespace) -> dict[str, float]:
    facts = image_facts(image, model)
    return {name: facts[name].value for name in ("noise", "detail", "echo", "ripple")}


def test_thick_slices_are_as_blurred_as_the_network_sees_them():
    thick = resample(texture(), (1.0, 1.0, 3.0))
    given = quality(thick, of_model())
    # The range of brightness is that of the file's own voxels.
    assert given == pytest.approx(quality(resample(thick, (1.0, 1.0, 1.0)), of_model()), rel=0.1)
    assert given["detail"] < quality(texture(), of_model())["detail"] - 0.05
    assert given["detail"] < quality(thick, of_model((1.0, 1.0, 3.0)))["detail"] - 0.05


def test_axes_of_the_file_have_another_order_than_those_of_the_model():
    image = resample(texture(), (1.0, 1.5, 2.0))
    turned = orient(image, "SPL")
    assert quality(turned, of_model((2.0, 1.5, 1.0), "SPL")) == quality(turned, of_model((1.0, 1.5, 2.0)))
    assert quality(turned, of_model((1.0, 1.5, 2.0))) == pytest.approx(
        quality(image, of_model((1.0, 1.5, 2.0)))
    )


def test_only_the_middle_of_a_large_image_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BLOCK", 30)
    image = texture((90, 36, 36))
    spoiled = image.with_array(image.array.copy())
    spoiled.array[:, :24] = 500
    assert quality(spoiled, of_model())["echo"] == quality(image, of_model())["echo"]
    monkeypatch.setattr(module, "BLOCK", 90)
    assert quality(spoiled, of_model())["echo"] != quality(image, of_model())["echo"]


def test_another_modality_than_the_models_can_be_given():
    assert "air" in image_facts(texture(), of_model(), "CT")
    assert "dark" in image_facts(texture(), of_model())
