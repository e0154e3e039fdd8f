"""Where a training starts: at random, or from what another network has learned."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info
from torch import nn

from trustseg_training.configuration import FitConfiguration, is_run
from trustseg_training.loading import PatientData, check_lineage
from TrustSegLib.bundle import ModelDescription, find_bundle, known_models, load_bundle
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import start_from

from .weights import load_weights


def with_absolute_places(configuration: FitConfiguration) -> FitConfiguration:
    """The configuration with places that hold from every folder, for a run is used from others too."""
    origin = configuration.initialize_from
    if origin is not None and origin not in known_models():
        origin = os.path.abspath(origin)
    return replace(configuration, data=os.path.abspath(configuration.data), initialize_from=origin)


def start(network: nn.Module, data: PatientData) -> None:
    """Give a new network the weights that its configuration starts from, if any.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    data : PatientData
        Of the run, set up. Its configuration's ``initialize_from`` is a run folder, or a bundle: a folder, an
        archive or a model's name.

    Raises
    ------
    OptionError
        The weights belong to another architecture, or were trained with a patient who would judge this run.
    TrustSegError
        There is no such run or bundle, or it is damaged.
    """
    configuration = data.configuration
    if configuration.initialize_from is None:
        return
    origin = Path(configuration.initialize_from)
    if is_run(origin):
        check_lineage(origin, configuration, data.cases)
        weights, known = load_weights(origin), _known(FitConfiguration.load(origin))
    else:
        bundle = load_bundle(find_bundle(origin))
        weights, known = bundle.network().state_dict(), _known_to_bundle(bundle.description)
        rank_zero_info(
            f"note: {origin} does not say which patients trained it; where such patients judge this run, its "
            "figures are too good"
        )
    try:
        start_from(network, weights, configuration.relative_variance)
    except OptionError as error:
        raise OptionError(
            f"{origin}: cannot be started from, its network is another; use the same structures, channels, "
            "architecture, dimensions, filters and layers, and no ensemble"
        ) from error
    _tell_differences(origin, known, _known(configuration))


def _tell_differences(origin: Path, known: dict[str, Any], own: dict[str, Any]) -> None:
    for setting, value in known.items():
        if value != own[setting]:
            rank_zero_info(f"note: {origin} knows images with {setting} {value}, this run has {own[setting]}")


def _known(configuration: FitConfiguration) -> dict[str, Any]:
    """What a network takes for granted of its images and labels."""
    names = ("channels", "structures", "spacing", "orientation", "normalization")
    return {name: getattr(configuration, name) for name in names}


def _known_to_bundle(description: ModelDescription) -> dict[str, Any]:
    return {
        "structures": tuple(structure.name for structure in description.structures),
        "spacing": description.input.spacing_mm,
        "orientation": description.input.orientation,
        "normalization": description.input.normalization,
    }
