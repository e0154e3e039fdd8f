"""Ranking of cases by an uncertainty score: failure detection, risk-coverage and monotonicity.

A case is one segmented image; its risk is ``1 - DSC``, and its uncertainty any score that is higher for
cases to be trusted less. Only the order of the scores matters, except in the brightness control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .error_detection import auroc

#: A segmentation with a lower DSC has failed.
FAILURE_DICE = 0.8


@dataclass(frozen=True)
class RiskCoverage:
    """Mean risk of the cases that are kept when the most uncertain ones are referred to a person.

    Attributes
    ----------
    coverage : np.ndarray
        (n,) share of the cases that is kept, 1/n to 1.
    risk : np.ndarray
        (n,) their mean risk.
    """

    coverage: np.ndarray
    risk: np.ndarray

    @property
    def area(self) -> float:
        """AURC: mean risk over the coverages 1/n to 1; random scores give the mean risk of all cases.

        The trapezoidal rule of some packages weights the first and the last coverage by half and differs
        with few cases.
        """
        return float(self.risk.mean())


@dataclass(frozen=True)
class Growth:
    """Number of chains of rising severity along which the uncertainty rises too."""

    growing: int
    chains: int

    @property
    def share(self) -> float | None:
        """Growing chains over all chains; None without a chain."""
        return self.growing / self.chains if self.chains else None


def risk_coverage(uncertainty: np.ndarray, risk: np.ndarray) -> RiskCoverage:
    """Risk-coverage curve, averaged over the random order of cases with equal uncertainty.

    Parameters
    ----------
    uncertainty : np.ndarray
        (n,) of each case.
    risk : np.ndarray
        (n,), ``1 - DSC``.

    Raises
    ------
    ValueError
        There is no case, the arrays differ in shape, or a value is not finite.

    References
    ----------
    Geifman, Uziel and El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR 2019.
    """
    _check(uncertainty, risk)
    _, group = np.unique(uncertainty, return_inverse=True)
    # In a random order of equally uncertain cases, each place has the group's mean risk.
    mean_of_group = np.bincount(group, risk) / np.bincount(group)
    kept = np.arange(1, len(risk) + 1)
    return RiskCoverage(kept / len(risk), np.cumsum(mean_of_group[np.sort(group)]) / kept)


def aurc(uncertainty: np.ndarray, risk: np.ndarray) -> float:
    """Area under the risk-coverage curve, see `RiskCoverage.area`; lower is better."""
    return risk_coverage(uncertainty, risk).area


def excess_aurc(uncertainty: np.ndarray, risk: np.ndarray) -> float:
    """E-AURC: AURC less that of scores which rank the cases as their risks do; 0 is perfect."""
    return aurc(uncertainty, risk) - aurc(risk, risk)


def failure_auroc(
    uncertainty: np.ndarray, dice: np.ndarray, failure_dice: float = FAILURE_DICE
) -> float | None:
    """AUROC of detecting failed cases; None unless some fail and some do not.

    Parameters
    ----------
    uncertainty : np.ndarray
        (n,) of each case.
    dice : np.ndarray
        (n,) true DSC of each case.
    failure_dice : float
        A case with a lower DSC has failed.
    """
    _check(uncertainty, dice)
    return auroc(uncertainty, dice < failure_dice)


def rank_correlation(uncertainty: np.ndarray, dice: np.ndarray) -> float | None:
    """Spearman's rank correlation of uncertainty and true DSC, -1 at best; None if either is constant.

    Parameters
    ----------
    uncertainty, dice : np.ndarray
        (n,) of each case.
    """
    _check(uncertainty, dice)
    if np.ptp(uncertainty) == 0 or np.ptp(dice) == 0:
        return None
    return float(stats.spearmanr(uncertainty, dice).statistic)


def growth(chains: Sequence[Sequence[float | None]]) -> Growth:
    """Count the chains along which the uncertainty grows with every step of severity.

    The tolerance is zero: an equal step is no growth, or a constant would pass. Severities without a value
    (None) are left out; a chain of fewer than two values is not counted.

    Parameters
    ----------
    chains : sequence of sequence of float or None
        Mean uncertainty of one image under one corruption, from the least to the most severe.

    Raises
    ------
    ValueError
        A value is not a finite number.
    """
    known = [np.array([value for value in chain if value is not None], float) for chain in chains]
    if not all(np.isfinite(values).all() for values in known):
        raise ValueError("an uncertainty is not a finite number")
    steps = [np.diff(values) for values in known if len(values) > 1]
    return Growth(sum(bool((step > 0).all()) for step in steps), len(steps))


def relative_change(clean: float, changed: float) -> float | None:
    """``(changed - clean) / clean`` of a mean uncertainty; None if the clean one is 0.

    For the brightness control: a gain changes nothing that is visible, so the uncertainty should not change.
    """
    return (changed - clean) / clean if clean else None


def _check(uncertainty: np.ndarray, outcome: np.ndarray) -> None:
    if uncertainty.ndim != 1 or uncertainty.shape != outcome.shape or len(outcome) == 0:
        shapes = f"{uncertainty.shape} and {outcome.shape}"
        raise ValueError(f"two arrays (n,) of at least one case are needed, not {shapes}")
    if not (np.isfinite(uncertainty).all() and np.isfinite(outcome).all()):
        raise ValueError("the value of a case is not a finite number")
