"""Whether a part of a calibration held on patients left out: limits, figures, and why it failed.

`trustseg-train calibrate` writes the checks into `calibration.json`; a part that failed is in the file, but
it is not applied. Every limit is in this module, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

HIGHEST_ECE = 0.03
"""Near the structures. There, 10 to 20 % of the voxels are wrong: an error of 3 points leaves the order of
magnitude of every color right, and is below the 5 % under which nothing is drawn."""
TAIL = 0.025
"""Chance that intervals which keep their level are refused: one end of a 95 % interval."""
LARGEST_SHORTFALL = 0.15
"""Of the coverage from its level, however few the patients: chance alone would allow 70 % with ten."""
LARGEST_DSC_ERROR = 0.05
"""Mean absolute error of the expected DSC; two experts differ by about as much on small structures."""
LARGEST_DSC_BIAS = 0.03
"""Mean error on clean images, most of what a model is used on: half of what tells a good mask (.90) from one
that needs corrections (.85)."""
LEFT_OUT = "on patients left out"


@dataclass(frozen=True)
class _Kind:
    """Whether a figure is within its limit, and its words."""

    holds: Callable[[float, float], bool]
    words: Callable[[float], str]


_KINDS = {
    "ece": _Kind(lambda value, limit: value <= limit, lambda value: f"ECE {100 * value:.1f} %"),
    "ece_increase": _Kind(
        lambda value, limit: value <= limit,
        lambda value: f"its curve raises the ECE by {100 * value:.1f} points",
    ),
    "coverage": _Kind(lambda value, limit: value >= limit, lambda value: f"covers {100 * value:.0f} %"),
    "interval_coverage": _Kind(
        lambda value, limit: value >= limit, lambda value: f"its interval covers {100 * value:.0f} %"
    ),
    "error": _Kind(lambda value, limit: value <= limit, lambda value: f"off by {value:.2f}"),
    "bias": _Kind(
        lambda value, limit: abs(value) <= limit,
        lambda value: f"{abs(value):.2f} too {'high' if value > 0 else 'low'} on clean images",
    ),
    "gain_over_constant": _Kind(
        lambda value, limit: value >= limit, lambda value: "no better than the mean of all patients"
    ),
}
FIGURES = tuple(_KINDS)


@dataclass(frozen=True)
class Figure:
    """A figure on patients left out, and its limit.

    Attributes
    ----------
    what : str
        One of `FIGURES`.
    limit : float
        Largest value of an error, smallest of a coverage or gain.
    clean, pool : float or None
        Of the clean images, and of clean and corrupted ones, every patient counted once; None where it is not
        known or not limited.
    """

    what: str
    limit: float
    clean: float | None = None
    pool: float | None = None

    @property
    def broken(self) -> tuple[float, ...]:
        """Values beyond the limit."""
        kind = _KINDS[self.what]
        known = [value for value in (self.clean, self.pool) if value is not None]
        return tuple(value for value in known if not kind.holds(value, self.limit))

    @property
    def words(self) -> str:
        """The value furthest beyond the limit, in words."""
        worst = max(self.broken, key=lambda value: abs(value - self.limit))
        return _KINDS[self.what].words(worst)


@dataclass(frozen=True)
class Check:
    """Figures of a part, and whether all are within their limits."""

    figures: tuple[Figure, ...]

    @property
    def passed(self) -> bool:
        """Whether the part may be called calibrated."""
        return not any(figure.broken for figure in self.figures)

    @property
    def reason(self) -> str:
        """Why it failed, such as "ECE 23.6 % on patients left out"; empty if it passed."""
        found = [figure.words for figure in self.figures if figure.broken]
        return f"{', '.join(found)} {LEFT_OUT}" if found else ""

    def to_json(self) -> dict[str, Any]:
        """Content of the field `check` in `calibration.json`."""
        rows = ({name: getattr(each, name) for name in Figure.__dataclass_fields__} for each in self.figures)
        return {"passed": self.passed, "figures": list(rows)}

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Check:
        """From `calibration.json`.

        Raises
        ------
        ValueError
            `passed` does not follow from the figures.
        """
        check = cls(tuple(Figure(**figure) for figure in content["figures"]))
        if check.passed != content["passed"]:
            raise ValueError(f"check: passed is {content['passed']}, its figures say {check.passed}")
        return check


def check_map(
    before: float | None, after: float | None, clean: tuple[float | None, float | None] = (None, None)
) -> Check:
    """Check the error probability by its ECE near the structures, without and with its curve.

    Parameters
    ----------
    before, after : float or None
        In the pool.
    clean : tuple of float or None
        The same on clean images.
    """
    increase = (_difference(clean[1], clean[0]), _difference(after, before))
    return Check((Figure("ece", HIGHEST_ECE, clean[1], after), Figure("ece_increase", 0.0, *increase)))


def check_interval(level: float, patients: int, pool: float, clean: float | None = None) -> Check:
    """Check a volume interval by its coverage. Above its level, it is too wide, but not wrong.

    Parameters
    ----------
    level : float
        Nominal coverage.
    patients : int
        Several images of one patient are one observation.
    pool, clean : float
        Coverage; see `Figure`.
    """
    return Check((Figure("coverage", least_coverage(level, patients), clean, pool),))


def check_quality(
    level: float,
    patients: int,
    *,
    error: float,
    coverage: float,
    clean_error: float | None = None,
    clean_bias: float | None = None,
    gain: float | None = None,
) -> Check:
    """Check an expected DSC by its error, its bias, the coverage of its interval and its gain.

    Parameters
    ----------
    level : float
        Nominal coverage of its interval.
    patients : int
        As for `check_interval`.
    error, coverage : float
        Mean absolute error, and coverage, in the pool.
    clean_error, clean_bias : float, optional
        Mean absolute and mean error (expected minus true) on clean images.
    gain : float, optional
        By how much the error is smaller than that of a constant, the mean DSC of the other patients.
    """
    return Check(
        (
            Figure("error", LARGEST_DSC_ERROR, clean_error, error),
            Figure("bias", LARGEST_DSC_BIAS, clean_bias),
            Figure("interval_coverage", least_coverage(level, patients), None, coverage),
            Figure("gain_over_constant", 0.0, None, gain),
        )
    )


def least_coverage(level: float, patients: int) -> float:
    """Smallest coverage that chance explains in an interval that keeps its level.

    The lower end of the central 95 % interval of a binomial share, one trial for each patient, but at most
    `LARGEST_SHORTFALL` below the level.
    """
    if patients < 1:
        return level
    counts = np.arange(patients + 1)
    fewest = int(np.argmax(bdtr(counts, patients, level) >= TAIL))
    return max(fewest / patients, level - LARGEST_SHORTFALL)


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
