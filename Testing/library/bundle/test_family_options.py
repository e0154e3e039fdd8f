"""Bundles of every family and their options."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from TrustSegLib.bundle import ModelDescription, bundled_models, load_bundle, save_bundle
from TrustSegLib.errors import BundleError
from TrustSegLib.imaging import Volume
from TrustSegLib.inference import SegmentOptions, segment
from TrustSegLib.networks import FAMILIES, NetworkSpec, build

Edit = Callable[[Callable[[dict[str, Any]], object]], None]

OPTIONS = {
    "vdp": {"temperature": 1.5, "variance_scale": 2.0, "class_bias": [-0.2, 0.1]},
    "deterministic": {"temperature": 1.5, "class_bias": [0.3, -0.1]},
    "mc_dropout": {"passes": 3, "seed": 4, "temperature": 1.5},
    "ensemble": {"members": 2, "temperature": 0.5},
    "bayes_by_backprop": {"passes": 3, "seed": 4},
    "supernet": {"variance_scale": 3.0},
    "variance_head": {"temperature": 1.5, "variance_scale": 2.0},
}
NEEDS = {
    "mc_dropout": {"dropout": 0.5},
    "supernet": {"normalization": "none", "activation": "relu", "upsampling": "zero_insertion"},
}


def _described(
    description: ModelDescription, family: str, **values: object
) -> tuple[ModelDescription, torch.nn.Module]:
    """The description of a small network of a family, and the network."""
    tiny = {"classes": 3, "filters": (4, 8), "convolutions": 1}
    spec = NetworkSpec(**{**tiny, **NEEDS.get(family, {}), **values})
    torch.manual_seed(0)
    network = build(spec, family, **OPTIONS[family]).eval()
    patch = (8, 8, 8) if spec.dimensions == 3 else (8, 8, 1)
    described = dataclasses.replace(
        description,
        family=family,
        network=spec.to_dict(),
        family_options=OPTIONS[family],
        input=dataclasses.replace(description.input, patch_size=patch),
    )
    return described, network


@pytest.mark.parametrize("architecture", ["unet", "vnet", "fcn"])
@pytest.mark.parametrize("family", FAMILIES)
def test_network_of_a_loaded_bundle_predicts_as_the_saved_one(
    family: str, architecture: str, description: ModelDescription, tmp_path: Path
) -> None:
    described, network = _described(description, family, architecture=architecture)
    save_bundle(tmp_path / "model", described, network.state_dict(), "# Card\n")
    bundle = load_bundle(tmp_path / "model")
    assert bundle.description.family_options == OPTIONS[family]
    loaded = bundle.network()
    assert not loaded.training
    x = torch.randn(2, 1, 8, 8, 8)
    with torch.no_grad():
        expected, result = network.class_moments(x), loaded.class_moments(x)
    assert torch.equal(result.mean, expected.mean)
    assert torch.equal(result.variance, expected.variance)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_segments_a_volume(
    family: str, dimensions: int, description: ModelDescription, tmp_path: Path
) -> None:
    described, network = _described(description, family, dimensions=dimensions)
    save_bundle(tmp_path / "model", described, network.state_dict(), "# Card\n")
    array = np.random.default_rng(1).random((1, 6, 10, 11), dtype=np.float32)
    volume = Volume(array, (1.0, 1.0, 1.5), (0.0, 0.0, 0.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    options = SegmentOptions(maps=("predictive_variance",))
    first, again = (segment(volume, load_bundle(tmp_path / "model"), options) for _ in range(2))
    assert first.labels.same_grid(volume)
    variance = first.maps["predictive_variance"].array
    assert np.isfinite(variance).all()
    assert (variance.max() > 0) == (family != "deterministic")
    np.testing.assert_array_equal(variance, again.maps["predictive_variance"].array)


def test_description_without_options_does_not_write_them(
    description: ModelDescription, content: dict[str, Any]
) -> None:
    assert "family_options" not in description.to_dict()
    assert description.to_dict() == content
    assert ModelDescription.from_dict({**content, "family_options": {}}) == description


@pytest.mark.parametrize("folder", bundled_models(), ids=lambda folder: folder.name)
def test_bundled_models_keep_their_bytes(folder: Path) -> None:
    """The SHA-256 of `model.json` is the model's identity in every report that was ever written."""
    written = (folder / "model.json").read_text("utf-8")
    content = ModelDescription.from_dict(json.loads(written)).to_dict()
    assert json.dumps(content, indent=2, ensure_ascii=False) + "\n" == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 0}, "family_options.passes: 0 is less"),
        ({"passes": 2.5}, "family_options.passes: 2.5 is not of type"),
        ({"members": 1000}, "family_options.members: 1000 is greater"),
        ({"seed": -1}, "family_options.seed: -1 is less"),
        ({"temperature": 0}, "family_options.temperature: 0 is less"),
        ({"temperature": float("inf")}, "family_options.temperature: inf is greater"),
        ({"variance_scale": "1"}, "family_options.variance_scale: '1' is not of type"),
        ({"class_bias": 0.5}, "family_options.class_bias: 0.5 is not of type"),
        ({"class_bias": [1e9]}, "family_options.class_bias\\[0\\]: 1000000000.0 is greater"),
        ({"dropout": 0.5}, "family_options: .*'dropout' was unexpected"),
        ([], "family_options: .* is not of type 'object'"),
    ],
)
def test_wrong_options_are_refused_by_place_and_reason(
    options: object, message: str, content: dict[str, Any]
) -> None:
    with pytest.raises(BundleError, match=f"^model.json: {message}"):
        ModelDescription.from_dict({**content, "family_options": options})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"passes": 3}, "vdp takes no 'passes'"), ({"members": 2}, "vdp takes no 'members'")],
)
def test_options_that_the_family_does_not_take_are_refused_with_the_network(
    options: dict[str, int], message: str, folder: Path, edit_model: Edit
) -> None:
    edit_model(lambda content: content.update(family_options=options))
    with pytest.raises(BundleError, match=f"model.json: network: {message}"):
        load_bundle(folder).network()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": [65536, 65536]}, r"has the shape \(.*\), not \(65536,"),
        ({"filters": [65536] * 8, "kernel_size": 63}, r"has the shape \(4,\), not \(65536,\)"),
        ({"filters": [10**12]}, "filters is 1000000000000; a whole number from 1 to 65536"),
        ({"filters": [4] * 1000}, "filters is .*; give one number per level"),
        ({"convolutions": 10**9}, "convolutions is 1000000000; a whole number from 1 to 16"),
        ({"dimensions": 3.0}, "dimensions is 3.0; a whole number"),
    ],
)
def test_network_far_larger_than_its_weights_is_refused_before_it_takes_memory(
    change: dict[str, Any], message: str, folder: Path, edit_model: Edit
) -> None:
    """Petabytes: were they asked for, PyTorch would raise another error, or the system end the process."""
    edit_model(lambda content: content["input"].update(patch_size=[4096] * 3))
    edit_model(lambda content: content["network"].update(change))
    with pytest.raises(BundleError, match=message):
        load_bundle(folder).network()
