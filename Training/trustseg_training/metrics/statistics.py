"""Statistics over patients: bootstrap intervals, paired differences, seed variation and Holm's correction."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000

#: A statistic of all cases is computed once for each draw, which is slow for an area under a curve.
STATISTIC_RESAMPLES = 2000

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over patients with its bootstrap interval; no interval for fewer than two patients."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its interval, and the p-value of Wilcoxon's signed-rank test.

    No p-value for fewer than two patients; it is 1 where no patient differs.
    """

    mean: Mean
    p_value: float | None


@dataclass(frozen=True)
class Statistic:
    """A statistic of all patients' cases with its bootstrap interval.

    Attributes
    ----------
    value : float or None
        Of all patients; None where it is not defined.
    low, high : float or None
        None without a value, for fewer than two patients, or if most draws are undefined.
    undefined : float
        Share of the draws in which the statistic is not defined, such as an AUROC without a failure; the
        interval leaves them out.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined: float


def bootstrap_mean(values: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Mean:
    """Mean and percentile interval, patients drawn with replacement.

    Parameters
    ----------
    values : np.ndarray
        (patients,).
    seed : int
        The same seed gives the same interval.
    resamples : int
        Number of draws.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Mean(mean, None, None)
    interval = stats.bootstrap(
        (np.asarray(values, float),),
        np.mean,
        n_resamples=resamples,
        batch=1000,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Mean(mean, float(interval.low), float(interval.high))


def paired_difference(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> Difference:
    """Compare two models on the same patients: ``values`` less ``reference``, both (patients,)."""
    difference = np.asarray(values, float) - np.asarray(reference, float)
    mean = bootstrap_mean(difference, seed)
    if len(difference) < 2:
        return Difference(mean, None)
    if not difference.any():
        return Difference(mean, 1.0)
    return Difference(mean, float(stats.wilcoxon(difference).pvalue))


def bootstrap_statistic(
    values_by_patient: Mapping[str, np.ndarray],
    statistic: Callable[[np.ndarray], float | None],
    seed: int = 0,
    resamples: int = STATISTIC_RESAMPLES,
    strata: Mapping[str, Hashable] | None = None,
) -> Statistic:
    """Any statistic of cases with its percentile interval; patients are drawn, each with all of its cases.

    Cases of one patient are correlated: drawn one by one, they would make the interval too narrow.

    Parameters
    ----------
    values_by_patient : mapping of str to np.ndarray
        (cases,) or (cases, columns) of every patient; the order has no influence.
    statistic : callable
        Takes the cases of all drawn patients, joined along the first axis; None where it is not defined.
    seed : int
        The same seed gives the same interval.
    resamples : int
        Number of draws.
    strata : mapping of str to hashable, optional
        Stratum of every patient, such as its data set; each draw keeps the sizes of the strata.

    Raises
    ------
    ValueError
        There is no patient.
    """
    if not values_by_patient:
        raise ValueError("a statistic needs at least one patient")
    names = sorted(values_by_patient)
    cases = [np.asarray(values_by_patient[name]) for name in names]
    value = statistic(np.concatenate(cases))
    if value is None or len(cases) < 2:
        return Statistic(None if value is None else float(value), None, None, 0.0)
    groups = _groups([strata[name] for name in names] if strata else [0] * len(names))
    generator = np.random.default_rng(seed)
    drawn = [
        statistic(np.concatenate([cases[i] for i in _draw(groups, generator)])) for _ in range(resamples)
    ]
    defined = np.array([each for each in drawn if each is not None], float)
    undefined = 1 - len(defined) / resamples
    if undefined > 0.5:
        return Statistic(float(value), None, None, undefined)
    low, high = np.percentile(defined, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Statistic(float(value), float(low), float(high), undefined)


def difference_over_seeds(
    values: np.ndarray,
    reference: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray] = lambda means: means[..., 0],
    seed: int = 0,
    resamples: int = STATISTIC_RESAMPLES,
) -> Mean:
    """Mean over some networks less that over others, with an interval for patients and seed variation.

    Each draw takes patients with replacement, the same ones for every network, and S - 1 of S networks that
    differ in their seed with replacement, separately for both sides. Drawing S would make the interval too
    narrow, for two networks by the factor 1 / sqrt(2). A single network is in every draw: its seed variation
    is unknown.

    Parameters
    ----------
    values, reference : np.ndarray
        (networks, patients, columns) of the same patients in the same order.
    statistic : callable
        Takes the columns' means over patients, (..., columns), and returns a number for each network, (...);
        by default the first column.
    seed : int
        The same seed gives the same interval.
    resamples : int
        Number of draws.

    References
    ----------
    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007 (patients and networks crossed);
    McCarthy and Snowden, "The bootstrap and finite population sampling", Vital and Health Statistics 2-95,
    1985 (one less than there are).
    """
    sides = [np.asarray(each, float) for each in (values, reference)]
    value, other = (float(statistic(each.mean(axis=1)).mean()) for each in sides)
    patients = sides[0].shape[1]
    if patients < 2:
        return Mean(value - other, None, None)
    generator = np.random.default_rng(seed)
    seen = _weights(patients, patients, resamples, generator)
    drawn = []
    for each in sides:
        trained = _weights(len(each), max(len(each) - 1, 1), resamples, generator)
        drawn.append((trained * statistic(np.tensordot(seen, each, (1, 1)))).sum(axis=1))
    low, high = np.percentile(drawn[0] - drawn[1], [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Mean(value - other, float(low), float(high))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct the p-values of several tests for their number by Holm's method.

    It controls the family-wise error rate. The k-th smallest of n is multiplied by n - k + 1, and none may
    fall below that of a smaller one.

    Parameters
    ----------
    p_values : sequence of float or None
        Of one family of tests; None where there was no test, which does not count.

    Returns
    -------
    list of float or None
        In the same order, at most 1; None stays None.

    Raises
    ------
    ValueError
        A p-value is outside of [0, 1].

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.
    """
    known = [place for place, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[place] for place in known], float)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("a p-value is outside of [0, 1]")
    order = np.argsort(values)
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected: list[float | None] = [None] * len(p_values)
    for rank, p in zip(order, np.minimum(raised, 1), strict=True):
        corrected[known[rank]] = float(p)
    return corrected


def _groups(strata: Sequence[Hashable]) -> list[np.ndarray]:
    """Indices of each stratum's patients."""
    members: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(index)
    return [np.array(indices) for indices in members.values()]


def _draw(groups: Sequence[np.ndarray], generator: np.random.Generator) -> np.ndarray:
    return np.concatenate([generator.choice(group, len(group)) for group in groups])


def _weights(number: int, drawn: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(resamples, number) share of each in a draw with replacement."""
    return generator.multinomial(drawn, [1 / number] * number, resamples) / drawn
