"""The network's one scalar: by what its analytic logit variance has to be multiplied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from TrustSegLib.errors import OptionError

from .agreement import variance_ratios
from .analytic import Analytic, in_mode, propagate
from .truth import Truth

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
