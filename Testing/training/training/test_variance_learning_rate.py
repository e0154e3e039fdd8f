"""Variances of the kernels have a learning rate of their own, or they stay where they began."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.config.settings import concerns
from trustseg_training.config.yaml_file import settings_of_preset
from trustseg_training.training import load_weights
from trustseg_training.training.lightning_module import Segmentation
from TrustSegLib.networks import TRAINED_FAMILIES

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--learning-rate", "1e-3", "--kl-weight", "1"]

PUBLISHED = {
    "propagation": "taylor",
    "normalization_layers": "none",
    "activation": "relu",
    "upsampling": "zero_insertion",
}


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _module(**settings) -> Segmentation:
    configuration = FitConfiguration(data="data", structures=("A",), filters=(2, 4), **settings)
    return Segmentation(configuration, images=1)


def _relative_variances(run: Path) -> list[float]:
    """Of every layer, in the mean over its kernels; `relative_variance` at the start."""
    network = Segmentation(FitConfiguration.load(run), images=1).network
    network.load_state_dict(load_weights(run))
    with torch.no_grad():
        return [
            float((layer.weight_variance / layer.kernels().square().mean(dim=1)).mean())
            for layer in network.random_layers()
        ]


@pytest.mark.parametrize(("rate", "moved"), [("0.3", True), ("none", False)])
def test_variances_move_by_their_own_rate(dataset, tmp_path, rate, moved):
    run = tmp_path / "run"
    assert _fit(dataset, run, "--epochs", "4", "--variance-learning-rate", rate) == 0
    # Eight steps along a cosine, of 0.3 or 0.001: a factor of about e at most, or of 1.01.
    furthest = max(abs(math.log(ratio / 1e-2)) for ratio in _relative_variances(run))
    assert (furthest > math.log(2)) == moved


@pytest.mark.parametrize("family", ["vdp", "bayes_by_backprop"])
def test_every_parameter_is_in_one_group_and_variances_in_theirs(family):
    module = _module(family=family, variance_learning_rate=0.02)
    decayed, others, variances = module._parameter_groups()
    assert (variances["lr"], variances.get("weight_decay")) == (0.02, None)
    assert {id(p) for p in variances["params"]} == {id(each.rho) for each in module.network.random_layers()}
    grouped = [p for group in (decayed, others, variances) for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(module.network.parameters()))


@pytest.mark.parametrize(("family", "rate"), [("vdp", None), ("deterministic", 0.02)])
def test_all_parameters_have_one_rate_without_variances_or_their_rate(family, rate):
    groups = _module(family=family, variance_learning_rate=rate)._parameter_groups()
    assert [group.get("lr") for group in groups] == [None, None]


def test_run_of_an_earlier_version_had_one_rate(tmp_path):
    FitConfiguration(data="data", structures=("A",)).save(tmp_path)
    path = tmp_path / "configuration.json"
    assert FitConfiguration.load(tmp_path).variance_learning_rate == 3e-2
    values = json.loads(path.read_text())
    del values["variance_learning_rate"]
    path.write_text(json.dumps(values))
    assert FitConfiguration.load(tmp_path).variance_learning_rate is None


def test_run_resumes_although_a_setting_without_effect_differs(dataset, tmp_path, capsys):
    one, own = ("--epochs", "1", "--variance-learning-rate", "none"), ("--variance-learning-rate", "0.1")
    for family, code in (("deterministic", 0), ("vdp", 2)):
        run = tmp_path / family
        assert _fit(dataset, run, *one, "--family", family) == 0
        assert _fit(dataset, run, *one, *own, "--family", family, "--resume") == code
    assert "started with another variance-learning-rate, none; resume" in capsys.readouterr().err


@pytest.mark.parametrize("family", TRAINED_FAMILIES)
def test_settings_of_random_weights_concern_the_families_that_have_some(family):
    dropout = 0.5 if family == "mc_dropout" else 0.0
    published = PUBLISHED if family == "supernet" else {}
    network = _module(family=family, dropout=dropout, **published).network
    assert concerns("kl_weight", family) == hasattr(network, "kl_divergence")
    assert concerns("learning_rate", family)


@pytest.mark.parametrize("name", ["brats", "hippocampus", "lungs"])
def test_published_networks_are_trained_with_one_rate(name):
    assert settings_of_preset(name)["variance_learning_rate"] is None
