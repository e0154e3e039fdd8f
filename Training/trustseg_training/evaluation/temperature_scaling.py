"""Temperature scaling (`trustseg-train calibrate`): temperature and variance scale from validation patients.

Both minimize the negative log-likelihood of the true labels at the voxels near the structures
(`metrics.neighborhood`): far from them all probabilities are 0 or 1 and would hide the rest. The temperature
divides the logits, ``mu / T`` and ``Sigma / T^2``; the scale multiplies their covariance. They are written
into the run, where `evaluate` and `export` read them: one file for each checkpoint that they were fitted to.

References
----------
Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData, cache_at_hand
from trustseg_training.metrics.calibration_error import BINS, reliability
from trustseg_training.metrics.neighborhood import MARGIN
from trustseg_training.training import BEST, LAST, load_weights, network_of
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OptionError, output_error
from TrustSegLib.inference.device import choose_device
from TrustSegLib.moments import LogitMoments

from .near_voxels import NearVoxels, collect

FILES = {BEST: "calibration.json", LAST: "calibration-last.json"}
LIMITS = {"temperature": (0.05, 20.0), "variance_scale": (0.01, 100.0)}

#: Lower limit of a probability, so that one voxel cannot make the likelihood infinite.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Scores:
    """Negative log-likelihood in nats per voxel, and expected calibration error over `BINS` bins."""

    nll: float
    ece: float


@dataclass(frozen=True)
class Calibration:
    """The fitted scales; ``variance_scale`` is None where the probabilities do not depend on the variance."""

    temperature: float
    variance_scale: float | None
    before: Scores
    after: Scores


def calibrate(
    run: Path, data: Path | None = None, device: str = "auto", checkpoint: str = BEST
) -> Calibration:
    """Fit on the validation patients of a run and write one of `FILES` into it.

    Parameters
    ----------
    run : Path
        Folder that `fit` wrote.
    data : Path, optional
        Data set, if it has moved since the training.
    device : str
        Where the network runs.
    checkpoint : str
        `BEST` or `LAST`.

    Raises
    ------
    OptionError
        The folder is no run, or no validation patient has a structure.
    ImageError
        The data cannot be used.
    OutputError
        The run folder cannot be written.
    """
    configuration = cache_at_hand(FitConfiguration.load(run))
    if data is not None:
        configuration = replace(configuration, data=str(data))
    plain = {k: v for k, v in configuration.family_options.items() if k not in LIMITS}
    network = network_of(replace(configuration, family_options=plain)).eval()
    network.load_state_dict(load_weights(run, checkpoint))
    place = choose_device(device)
    source = PatientData(configuration, run)
    samples = source.read("val")
    voxels = collect(network.to(place), samples, configuration.patch_shape, place)
    if voxels is None:
        raise OptionError(f"{configuration.data}: no validation patient has a structure; calibrate on others")
    calibration = fit_scales(network, voxels)
    _write(run, checkpoint, source, calibration, voxels)
    return calibration


def at_their_limits(calibration: Calibration) -> list[str]:
    """Names of the scales that stopped at a limit of their range: the data do not determine them."""
    found = {name: getattr(calibration, name) for name in LIMITS}
    return [
        name.replace("_", " ")
        for name, (low, high) in LIMITS.items()
        if found[name] is not None and not 1.01 * low < found[name] < 0.99 * high
    ]


def fit_scales(network: nn.Module, voxels: NearVoxels) -> Calibration:
    """Minimize the negative log-likelihood over the logarithms of temperature and variance scale."""
    names = ["temperature", "variance_scale"] if _depends_on_variance(network, voxels) else ["temperature"]

    def loss(logarithms: np.ndarray) -> float:
        return _nll(voxels.probabilities(network, *np.exp(logarithms).tolist()), voxels.target)

    bounds = [tuple(np.log(LIMITS[name])) for name in names]
    options = {"xatol": 1e-3, "fatol": 1e-7, "initial_simplex": _simplex(len(names))}
    found = minimize(loss, np.zeros(len(names)), method="Nelder-Mead", bounds=bounds, options=options)
    values = np.exp(found.x).tolist()
    return Calibration(
        temperature=values[0],
        variance_scale=values[1] if len(values) > 1 else None,
        before=scores(voxels.probabilities(network, 1.0), voxels.target),
        after=scores(voxels.probabilities(network, *values), voxels.target),
    )


def scores(p: Tensor, target: Tensor) -> Scores:
    """Evaluate probabilities (voxels, K) by the true labels (voxels,), at least one."""
    return Scores(_nll(p, target), reliability(p.numpy(), target.numpy()).ece)


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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path}: not a calibration ({error!r}); calibrate the run again") from error
    if damaged:
        raise OptionError(f"{path}: {damaged[0]} is no number; calibrate the run again")
    if fitted_to != sha256_of(run / checkpoint):
        raise OptionError(
            f"{path}: was fitted to other weights than {checkpoint} has now; calibrate the run again"
        )
    return content


def calibrated(configuration: FitConfiguration, run: Path, checkpoint: str = BEST) -> FitConfiguration:
    """The configuration of a run with a checkpoint's calibration, if it has one, among the family's options.

    Raises
    ------
    OptionError
        See `read_fit`.
    """
    content = read_fit(run, checkpoint) or {}
    fitted = {name: content[name] for name in LIMITS if content.get(name) is not None}
    return replace(configuration, family_options={**configuration.family_options, **fitted})


def _nll(p: Tensor, target: Tensor) -> float:
    chosen = p.gather(1, target[:, None]).double().clamp_min(SMALLEST_PROBABILITY)
    return float(-chosen.log().mean())


def _depends_on_variance(network: nn.Module, voxels: NearVoxels) -> bool:
    """Whether the scale can be fitted: the published readout ignores the variance."""
    if not isinstance(voxels.logits, LogitMoments):
        return False
    few, many = (voxels.probabilities(network, 1.0, scale) for scale in (0.5, 2.0))
    return not torch.equal(few, many)


def _simplex(dimensions: int) -> np.ndarray:
    """Initial simplex of the search: scales of 1, and half a unit of the logarithm from there."""
    return np.vstack([np.zeros(dimensions), 0.5 * np.eye(dimensions)])


def _write(
    run: Path,
    checkpoint: str,
    source: PatientData,
    calibration: Calibration,
    voxels: NearVoxels,
) -> None:
    content = {
        "temperature": calibration.temperature,
        "variance_scale": calibration.variance_scale,
        "before": vars(calibration.before),
        "after": vars(calibration.after),
        "bins": BINS,
        "margin_voxels": MARGIN,
        "data": Path(source.configuration.data).name,
        "patients": source.count("val"),
        "images": voxels.images,
        "voxels": len(voxels.target),
        "checkpoint": checkpoint,
        "checkpoint_sha256": sha256_of(run / checkpoint),
    }
    path = run / FILES[checkpoint]
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error, "check the folder") from error
