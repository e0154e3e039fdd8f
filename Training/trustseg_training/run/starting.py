"""Where a training starts: at random, or from what another network has learned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from trustseg_training.configuration import is_run
from trustseg_training.loading import PatientData, check_lineage
from TrustSegLib.bundle import find_bundle, load_bundle
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import start_from

from .weights import load_weights


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
    weights = _weights(origin)
    try:
        start_from(network, weights, configuration.relative_variance)
    except OptionError as error:
        raise OptionError(
            f"{origin}: cannot be started from, its network is another; use the same structures, channels, "
            "architecture, dimensions, filters and layers"
        ) from error


def _weights(origin: Path) -> Mapping[str, Tensor]:
    if is_run(origin):
        return load_weights(origin)
    bundle = load_bundle(find_bundle(origin))
    rank_zero_info(
        f"note: {origin} does not say which patients trained it; where such patients judge this run, its "
        "figures are too good"
    )
    return bundle.network().state_dict()
