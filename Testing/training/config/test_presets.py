"""The presets are what was published, and a network can be built from each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from trustseg_training import presets
from trustseg_training.config import FitConfiguration
from trustseg_training.config.memory import step_memory
from trustseg_training.config.yaml_file import settings_of_preset
from TrustSegLib.networks import build


def _configuration(name: str) -> FitConfiguration:
    values = settings_of_preset(name)
    values.pop("kl_factor", None)
    return FitConfiguration(**{"data": "data", "structures": ("A",), **values})


@pytest.mark.parametrize("name", presets.names())
def test_network_of_every_preset_can_be_built_and_measured(name):
    configuration = _configuration(name)
    network = build(configuration.network, configuration.family, configuration.propagation)
    assert network.family == configuration.family
    assert step_memory(configuration).of(configuration.patch, 1) > 0


@pytest.mark.parametrize(
    ("name", "filters", "classes", "channels", "epochs", "batch", "kl_factor"),
    [
        ("hippocampus", (32, 64, 128), 3, 1, 100, 20, 1e-3),
        ("lungs", (16, 32, 64), 2, 1, 50, 10, 5e-3),
        ("brats", (32, 64, 128, 256, 512), 5, 4, 100, 20, 1e-5),
    ],
)
def test_published_settings(name, filters, classes, channels, epochs, batch, kl_factor):
    configuration = _configuration(name)
    network = configuration.network
    assert (network.filters, network.classes, network.in_channels) == (filters, classes, channels)
    assert (configuration.epochs, configuration.batch_size) == (epochs, batch)
    assert (settings_of_preset(name)["kl_factor"], configuration.learning_rate) == (kl_factor, 1e-3)
    assert (configuration.family, configuration.propagation) == ("supernet", "taylor")
    assert (configuration.objective, configuration.dimensions) == ("gaussian_nll", 2)
    assert (network.normalization, network.activation) == ("none", "relu")


def test_brats_is_evaluated_on_its_three_regions():
    assert list(_configuration("brats").regions.values()) == [(1, 2, 3, 4), (1, 3, 4), (4,)]


def test_our_preset_leaves_to_the_data_what_depends_on_them():
    settings = settings_of_preset("our-3d")
    assert not {"structures", "channels", "spacing", "patch", "filters", "normalization"} & set(settings)
    assert settings["family"] == "vdp"


def test_presets_are_installed_with_the_package():
    pyproject = (Path(__file__).parents[3] / "Training" / "pyproject.toml").read_text()
    assert re.search(r'trustseg_training = \[.*"presets/\*\.yaml".*\]', pyproject)
    for name in presets.names():
        assert yaml.safe_load(presets.path_of(name).read_text())
        assert presets.description(name)
