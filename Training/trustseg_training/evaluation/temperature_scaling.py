"""Temperature scaling: the fit of temperature and variance scale, and the file in which a run keeps them.

Both minimize the negative log-likelihood of the true labels at the voxels near the structures
(`metrics.neighborhood`): far from them all probabilities are 0 or 1 and would hide the rest. Patients count
alike, and of each the clean images half (`patient_weights`). The temperature divides the logits, ``mu / T``
and ``Sigma / T^2``; the scale multiplies their covariance. The class bias is fitted before (`class_bias`) and
kept in the same file, from where `evaluate` and `export` have all of them: one file for each checkpoint.

References
----------
Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from trustseg_training.config import FitConfiguration
from trustseg_training.metrics.calibration_error import BINS, expected_calibration_error
from trustseg_training.training import BEST, LAST
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OptionError
from TrustSegLib.moments import LogitMoments

from .near_voxels import NearVoxels

FILES = {BEST: "calibration.json", LAST: "calibration-last.json"}
LIMITS = {"temperature": (0.05, 20.0), "variance_scale": (0.01, 10000.0)}

#: Options of a family that are fitted after its training.
NAMES = (*LIMITS, "class_bias")

#: Lower limit of a probability, so that one voxel cannot make the likelihood infinite.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Scores:
    """Negative log-likelihood in nats per voxel, and expected calibration error over `BINS` bins."""

    nll: float
    ece: float


@dataclass(frozen=True)
class Scales:
    """Fitted scales; ``variance_scale`` is None where the probabilities do not depend on the variance."""

    temperature: float
    variance_scale: float | None = None
    class_bias: tuple[float, ...] = ()

    @property
    def options(self) -> dict[str, float | list[float]]:
        """As options of the family; what changes nothing is left out."""
        found = {"temperature": self.temperature}
        if self.variance_scale is not None:
            found["variance_scale"] = self.variance_scale
        return {**found, "class_bias": list(self.class_bias)} if self.class_bias else found

    def probabilities(self, network: nn.Module, voxels: NearVoxels) -> Tensor:
        """(voxels, K) of the voxels, with these scales."""
        scale = 1.0 if self.variance_scale is None else self.variance_scale
        return voxels.probabilities(network, self.temperature, scale, self.class_bias)


def at_their_limits(scales: Scales) -> list[str]:
    """Names of the scales that stopped at a limit of their range: the data do not determine them."""
    found = {name: getattr(scales, name) for name in LIMITS}
    return [
        name.replace("_", " ")
        for name, (low, high) in LIMITS.items()
        if found[name] is not None and not 1.01 * low < found[name] < 0.99 * high
    ]


def fit_scales(network: nn.Module, voxels: NearVoxels, class_bias: Sequence[float] = ()) -> Scales:
    """Minimize the negative log-likelihood over the logarithms of temperature and variance scale.

    Parameters
    ----------
    network : nn.Module
        For its readout.
    voxels : NearVoxels
        Of patients who trained nothing.
    class_bias : sequence of float
        That the logits get first; it stays.
    """
    names = ["temperature", "variance_scale"] if _depends_on_variance(network, voxels) else ["temperature"]
    importance = voxels.importance

    def scales(logarithms: np.ndarray) -> Scales:
        return Scales(*np.exp(logarithms).tolist(), class_bias=tuple(class_bias))

    def loss(logarithms: np.ndarray) -> float:
        return _nll(scales(logarithms).probabilities(network, voxels), voxels.target, importance)

    bounds = [tuple(np.log(LIMITS[name])) for name in names]
    options = {"xatol": 1e-3, "fatol": 1e-7, "initial_simplex": _simplex(len(names))}
    found = minimize(loss, np.zeros(len(names)), method="Nelder-Mead", bounds=bounds, options=options)
    return scales(found.x)


def scores(p: Tensor, target: Tensor, weight: Tensor | None = None) -> Scores:
    """Evaluate probabilities (voxels, K) by the true labels (voxels,), at least one, and their weights."""
    weight = torch.ones(len(target), dtype=torch.float64) if weight is None else weight
    confidence, label = p.double().max(dim=1)
    edges = torch.arange(1, BINS, dtype=torch.float64) / BINS
    places = torch.bucketize(confidence, edges, right=True).numpy()
    gaps = np.bincount(places, (weight * ((label == target).double() - confidence)).numpy(), BINS)
    ece = expected_calibration_error(gaps, np.array(float(weight.sum())))
    return Scores(_nll(p, target, weight), float(ece))


def read_fit(run: Path, checkpoint: str = BEST) -> dict[str, Any] | None:
    """Content of the calibration of a run's checkpoint; None if it has none.

    Raises
    ------
    OptionError
        The file is damaged, or was fitted to other weights than the checkpoint has now.
    """
    path = run / FILES[checkpoint]
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fitted_to = content["checkpoint_sha256"]
        damaged = [name for name in LIMITS if not isinstance(content[name], float | None)]
        damaged += [] if _is_bias(content.get("class_bias", [])) else ["class_bias"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path}: not a calibration ({error!r}); calibrate the run again") from error
    if damaged:
        raise OptionError(f"{path}: {damaged[0]} is not what was fitted; calibrate the run again")
    if fitted_to != sha256_of(run / checkpoint):
        raise OptionError(
            f"{path}: was fitted to other weights than {checkpoint} has now; calibrate the run again"
        )
    return content


def calibrated(configuration: FitConfiguration, run: Path, checkpoint: str = BEST) -> FitConfiguration:
    """The configuration of a run with a checkpoint's scales, if it has any, among the family's options.

    Raises
    ------
    OptionError
        See `read_fit`.
    """
    content = read_fit(run, checkpoint) or {}
    fitted = {name: content[name] for name in NAMES if content.get(name)}
    return replace(configuration, family_options={**configuration.family_options, **fitted})


def _nll(p: Tensor, target: Tensor, weight: Tensor) -> float:
    chosen = p.gather(1, target[:, None])[:, 0].double().clamp_min(SMALLEST_PROBABILITY)
    return float(-(weight * chosen.log()).sum() / weight.sum())


def _is_bias(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(value, float) for value in found)


def _depends_on_variance(network: nn.Module, voxels: NearVoxels) -> bool:
    """Whether the scale can be fitted: the published readout ignores the variance."""
    if not isinstance(voxels.logits, LogitMoments):
        return False
    few, many = (voxels.probabilities(network, 1.0, scale) for scale in (0.5, 2.0))
    return not torch.equal(few, many)


def _simplex(dimensions: int) -> np.ndarray:
    """Initial simplex of the search: scales of 1, and half a unit of the logarithm from there."""
    return np.vstack([np.zeros(dimensions), 0.5 * np.eye(dimensions)])
