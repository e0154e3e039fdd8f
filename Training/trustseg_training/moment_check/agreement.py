"""How well analytic moments agree with sampled ones, and the variance scale that fits them best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.moments import ClassMoments, Gaussian

from .analytic import Analytic, in_mode, propagate
from .sampling import NO_VARIANCE, Sums, Truth


@dataclass(frozen=True)
class Ratio:
    """Analytic by sampled variance: the median, and the ends of the band from 10 to 90 % of the voxels."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """One kind of values against its sampled truth.

    Attributes
    ----------
    spearman : float
        Rank correlation of the variances.
    ratio : Ratio
        Of the variances as they are.
    mean_error, median_mean_error : float
        Mean and median of ``|analytic mean - sampled mean| / sampled sd``.
    bias : float
        Mean of it with its sign.
    """

    spearman: float
    ratio: Ratio
    mean_error: float
    median_mean_error: float
    bias: float


def agreement(analytic: Gaussian, sampled: Sums) -> Agreement:
    """Compare moments (any one shape); values that do not vary are left out."""
    return compare(analytic, Gaussian(sampled.mean, sampled.variance))


def compare(analytic: Gaussian, sampled: Gaussian) -> Agreement:
    """As `agreement`, with the sampled moments given."""
    mean, variance, true_mean, true_variance = (_flat(x) for x in (*analytic, *sampled))
    varies = true_variance > NO_VARIANCE
    if not varies.any():
        nothing = float("nan")
        return Agreement(nothing, Ratio(*3 * [nothing]), *3 * [nothing])
    error = (mean[varies] - true_mean[varies]) / np.sqrt(true_variance[varies])
    size = np.abs(error)
    return Agreement(
        spearman(variance[varies], true_variance[varies]),
        summarized(variance[varies] / true_variance[varies]),
        float(size.mean()),
        float(np.median(size)),
        float(error.mean()),
    )


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation; NaN where one does not vary."""
    if min(np.ptp(first), np.ptp(second)) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def summarized(ratios: np.ndarray) -> Ratio:
    """Median and band of the ratios of all voxels."""
    low, median, high = np.quantile(ratios, (0.1, 0.5, 0.9))
    return Ratio(float(median), float(low), float(high))


def variance_ratios(analytic: Gaussian, sampled: Sums, images: Sequence[int]) -> np.ndarray:
    """Analytic by sampled variance of all values of some images that vary."""
    variance, truth = (_flat(x[list(images)]) for x in (analytic.variance, sampled.variance))
    return variance[truth > NO_VARIANCE] / truth[truth > NO_VARIANCE]


def argmax_agreement(analytic: Tensor, sampled: Tensor) -> float:
    """Share of voxels whose most probable class is that of the sampled mean; both (N, K, ...)."""
    return float((analytic.argmax(dim=1) == sampled.argmax(dim=1)).double().mean())


def within_bound(classes: ClassMoments) -> float:
    """Share of values with ``0 <= v <= p (1 - p)``, up to the rounding of float32."""
    p, v = (moment.double() for moment in classes)
    return float(((v >= 0) & (v <= p * (1 - p) + 1e-7)).double().mean())


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().double().flatten().cpu().numpy()


#: With fewer, the sampled variances are too rough for their median.
FEWEST_SAMPLES = 20


def fit_variance_scale(network: nn.Module, images: Tensor, samples: int = 300, seed: int = 0) -> float:
    """Fit the variance scale of a network against Monte Carlo of its own weights.

    The scale is 1 by the median, over voxels and classes, of analytic by sampled variance of the logits less
    the first class's, which are all that the probabilities depend on.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``; its own propagation mode counts, its temperature and variance scale do not.
    images : Tensor
        (N, C, D, H, W) crops as the network sees them, of patients that trained nothing, on its device.
    samples : int
        Weight sets.
    seed : int
        Of the weight sets.

    Returns
    -------
    float
        For the option ``variance_scale`` of the network.

    Raises
    ------
    OptionError
        Too few samples, another family, or logits that do not vary.
    """
    if samples < FEWEST_SAMPLES:
        raise OptionError(f"samples {samples}: a variance needs more; give at least {FEWEST_SAMPLES}")
    truth = Truth(network, images, layer_images=0, seed=seed)
    for _ in range(samples):
        truth.draw()
    return scale_of(propagate(in_mode(network, network.propagation), images), truth, range(len(images)))


def scale_of(analytic: Analytic, truth: Truth, images: Sequence[int]) -> float:
    """The scale that brings the median variance ratio of some images to 1.

    Raises
    ------
    OptionError
        The logits do not vary.
    """
    ratios = variance_ratios(analytic.output("contrasts"), truth.of("contrasts"), images)
    if not ratios.size or not np.median(ratios) > 0:
        raise OptionError("the logits do not vary; train the network with Gaussian weights first")
    return float(1 / np.median(ratios))
