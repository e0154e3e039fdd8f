"""The model that runs make: one run its own, several an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from trustseg_training.configuration import FitConfiguration
from trustseg_training.judging import calibrated, check_members, read_fit
from trustseg_training.run import BEST, load_weights
from TrustSegLib.networks import join_members


@dataclass(frozen=True)
class Exported:
    """A model as `TrustSegLib.networks.build` makes it.

    Attributes
    ----------
    family : str
        Of the model, which for an ensemble is not that of its members.
    options : dict
        Of the family, with temperature and variance scale where they were fitted.
    weights : dict
        State dict.
    fitted : dict or None
        Content of the run's calibration.
    """

    family: str
    options: dict[str, Any]
    weights: dict[str, Tensor]
    fitted: dict[str, Any] | None


def model_of_runs(runs: Sequence[Path], checkpoint: str = BEST) -> Exported:
    """Weights and options of one run, or of the ensemble that several make.

    Members are not calibrated one by one: the temperature of each would not be that of their mean.

    Raises
    ------
    OptionError
        A run has no usable checkpoint or calibration, or the runs cannot be members of one ensemble.
    """
    configurations = [FitConfiguration.load(run) for run in runs]
    if len(runs) == 1:
        options = dict(calibrated(configurations[0], runs[0], checkpoint).family_options)
        weights, fitted = load_weights(runs[0], checkpoint), read_fit(runs[0], checkpoint)
        return Exported(configurations[0].family, options, weights, fitted)
    check_members(runs, configurations)
    weights = join_members([load_weights(run, checkpoint) for run in runs])
    return Exported("ensemble", {"members": len(runs)}, weights, None)
