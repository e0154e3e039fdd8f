"""A model's calibration: from raw scores to figures that were validated on held-out patients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.uncertainty.calibration_checks import Check, check_interval, check_map, check_quality
from TrustSegLib.uncertainty.quality import ExpectedDsc, QualityModel
from TrustSegLib.uncertainty.structure_scores import StructureScores
from TrustSegLib.uncertainty.volumes import NamedLabel, StructureRow

EMPTY = "nothing was found of it: failed, unless it is absent"
"""Flag of an empty structure."""
CHUNK = 2**20
"""Voxels at a time: the interpolation works in float64."""
CENTERS = {"mask": "volume_ml", "expected": "expected_volume_ml"}
"""Score at the center of the interval."""


NOT_FITTED = "not fitted"
"""Reason for a part that `calibration.json` does not have."""


@dataclass(frozen=True)
class Failure:
    """A part of a calibration that did not hold on patients left out.

    Attributes
    ----------
    part : str
        `error_probability`, `volumes` or `quality`.
    label : int or None
        Of the structure; None for the map.
    reason : str
        See `Check.reason`.
    """

    part: str
    label: int | None
    reason: str


@dataclass(frozen=True)
class Calibration:
    """The content of `calibration.json`; each part may be missing.

    A part that failed its check on patients left out (`calibration_checks`) is not applied: it is among
    `failed`, and missing elsewhere. A part without a check, of an earlier version, is checked by the figures
    that it recorded.

    Attributes
    ----------
    record : Mapping
        What it was fitted on: `data`, `patients`, `conditions`, `cases`, `folds`.
    curve : ErrorCurve or None
        From raw to calibrated error probability.
    volumes : Mapping of int to VolumeModel
        Volume interval of each label that has one.
    qualities : Mapping of int to QualityModel
        Expected Dice coefficient of each label that has one.
    input : Mapping or None
        Facts about the images it was fitted on, as they are in the file.
    failed : tuple of Failure
        Parts that must not be called calibrated.
    """

    record: Mapping[str, Any]
    curve: ErrorCurve | None = None
    volumes: Mapping[int, VolumeModel] = field(default_factory=dict)
    qualities: Mapping[int, QualityModel] = field(default_factory=dict)
    input: Mapping[str, Any] | None = None
    failed: tuple[Failure, ...] = ()

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Calibration:
        """Build it from the content of a `calibration.json`.

        Parameters
        ----------
        content : Mapping
            Valid under `bundle/calibration.schema.json`.

        Raises
        ------
        ValueError
            In one line: a curve decreases, a number is not finite, lists differ in length, the ends of an
            interval or a range are swapped, a score is not known, a label is repeated, or a check contradicts
            its figures.
        """
        curve = content.get(DEFAULT_MAP)
        curves = {} if curve is None else {None: ErrorCurve.parse(curve)}
        volumes = _by_label("volumes", map(VolumeModel.parse, content.get("volumes", ())))
        qualities = _by_label("quality", map(QualityModel.parse, content.get("quality", ())))
        failed = tuple(_failures(content))
        lost = {(failure.part, failure.label) for failure in failed}
        return cls(
            record=content["record"],
            curve=_without(lost, DEFAULT_MAP, curves).get(None),
            volumes=_without(lost, "volumes", volumes),
            qualities=_without(lost, "quality", qualities),
            input=_ordered(content.get("input")),
            failed=failed,
        )

    @property
    def labels(self) -> frozenset[int]:
        """Labels for which an interval or an expected Dice coefficient was fitted, also if it failed."""
        failed = {failure.label for failure in self.failed if failure.label is not None}
        return frozenset(self.volumes) | frozenset(self.qualities) | failed

    def error_probability(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated error probabilities, float32; the raw ones if there is no curve."""
        return raw if self.curve is None else self.curve(raw)

    def volume_interval_ml(self, scores: StructureScores) -> tuple[float, float] | None:
        """Return the interval of a structure's volume in ml; None if it was not calibrated."""
        model = self.volumes.get(scores.label)
        return None if model is None else model.interval_ml(scores)

    def expected_dsc(self, scores: StructureScores) -> ExpectedDsc | None:
        """Return the expected Dice coefficient of a structure; None if it was not calibrated."""
        model = self.qualities.get(scores.label)
        return None if model is None else model.expected_dsc(scores)

    def summary(self, structures: Sequence[NamedLabel]) -> dict[str, Any]:
        """Return what a report holds of it.

        Parameters
        ----------
        structures : sequence of NamedLabel
            All of the model, also those without an interval.

        Returns
        -------
        dict
            The record; the cross-validated figures of each part that held; and, as `not_calibrated`, the
            parts that did not or that are missing, which `contract.calibration_sentence` puts into words.
        """
        return {
            "record": dict(self.record),
            DEFAULT_MAP: None if self.curve is None else self.curve.summary(),
            "volumes": [model.summary() for model in self.volumes.values()],
            "quality": [model.summary() for model in self.qualities.values()],
            "not_calibrated": list(self._not_calibrated(structures)),
        }

    def _not_calibrated(self, structures: Sequence[NamedLabel]) -> Iterator[dict[str, Any]]:
        reasons = {(failure.part, failure.label): failure.reason for failure in self.failed}
        if self.curve is None:
            reason = reasons.get((DEFAULT_MAP, None), NOT_FITTED)
            yield {"part": DEFAULT_MAP, "label": None, "structure": None, "reason": reason}
        for part, models in (("volumes", self.volumes), ("quality", self.qualities)):
            for structure in structures:
                if structure.label not in models:
                    reason = reasons.get((part, structure.label), NOT_FITTED)
                    named = {"label": structure.label, "structure": structure.name}
                    yield {"part": part, **named, "reason": reason}


def _failures(content: Mapping[str, Any]) -> Iterator[Failure]:
    """Parts that failed the check in the file, or else that of the figures they recorded."""
    patients = content["record"]["patients"]
    curve = content.get(DEFAULT_MAP)
    entries = (
        [] if curve is None else [(DEFAULT_MAP, curve, check_map(curve["ece_before"], curve["ece_after"]))]
    )
    for one in content.get("volumes", ()):
        entries.append(("volumes", one, check_interval(one["level"], patients, one["coverage"])))
    for one in content.get("quality", ()):
        recorded = {"error": one["mean_absolute_error"], "coverage": one["coverage"]}
        entries.append(("quality", one, check_quality(one["level"], patients, **recorded)))
    for part, one, recorded in entries:
        written = _written(part, one.get("check"))
        # Both must hold: a check cannot hide what the part itself recorded.
        check = recorded if written is None or not recorded.passed else written
        if not check.passed:
            yield Failure(part, one.get("label"), check.reason)


def _written(part: str, content: Mapping[str, Any] | None) -> Check | None:
    try:
        return None if content is None else Check.parse(content)
    except ValueError as error:
        raise ValueError(f"{part}: {error}") from error


def _without(lost: set[tuple[str, int | None]], part: str, models: Mapping[Any, Any]) -> dict[Any, Any]:
    return {label: model for label, model in models.items() if (part, label) not in lost}


def _ordered(input: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Check that the ranges of the part `input` are ranges: an image cannot be inside of any other."""
    for name, limits in () if input is None else input["facts"].items():
        for low, high in ((limits["low"], limits["high"]), limits.get("seen", (0, 0))):
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"input: {name} is from {low} to {high}, which is not a range")
    return input


def _by_label(part: str, models: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for model in models:
        if model.label in found:
            raise ValueError(f"{part}: label {model.label} comes twice")
        found[model.label] = model
    return found


def calibrated_rows(
    rows: Sequence[StructureRow], scores: Sequence[StructureScores], calibration: Calibration
) -> tuple[StructureRow, ...]:
    """Return the rows with the calibrated figures of each structure.

    Parameters
    ----------
    rows : sequence of StructureRow
        Without intervals.
    scores : sequence of StructureScores
        Raw scores of the same structures, in the same order.
    calibration : Calibration
        Of the model that made the mask.
    """
    return tuple(_calibrated(row, raw, calibration) for row, raw in zip(rows, scores, strict=True))


def with_cut_off(rows: Sequence[StructureRow], reasons: Mapping[int, str]) -> tuple[StructureRow, ...]:
    """Flag structures that the image cuts off, and withhold the intervals of their volumes.

    Parameters
    ----------
    rows : sequence of StructureRow
        With or without calibrated figures.
    reasons : mapping of int to str
        A sentence for each label that is cut off.
    """
    return tuple(
        replace(row, volume_interval_ml=None, flag=_joined(reasons[row.label], row.flag))
        if row.label in reasons
        else row
        for row in rows
    )


def case_quality(rows: Sequence[StructureRow]) -> float | None:
    """Return the expected Dice coefficient of the worst structure; None if there is none for any."""
    return min((row.expected_dsc for row in rows if row.expected_dsc is not None), default=None)


def _calibrated(row: StructureRow, raw: StructureScores, calibration: Calibration) -> StructureRow:
    interval = calibration.volume_interval_ml(raw)
    row = replace(row, volume_interval_ml=interval, flag=_outside(raw.volume_ml, interval))
    expected = calibration.expected_dsc(raw)
    if expected is None:
        return row
    return replace(
        row,
        expected_dsc=expected.value,
        expected_dsc_interval=(expected.low, expected.high),
        flag=_joined(_flag(raw, expected, calibration.qualities[raw.label]), row.flag),
    )


def _outside(volume_ml: float, interval: tuple[float, float] | None) -> str | None:
    """Explain a volume outside of its own interval; that of an empty mask has a flag of its own."""
    if interval is None or volume_ml == 0 or interval[0] <= volume_ml <= interval[1]:
        return None
    low, high = interval
    return (
        f"its volume, {volume_ml:.3g} ml, lies outside of its own interval, {low:.3g}-{high:.3g} ml: the "
        "mask and the probabilities around it disagree"
    )


def _flag(raw: StructureScores, expected: ExpectedDsc, model: QualityModel) -> str | None:
    """Why a person should look at a structure; None if it is expected to be fine."""
    if raw.volume_ml == 0:
        return EMPTY
    text = f"expected DSC {expected.value:.2f} ({expected.low:.2f}-{expected.high:.2f})"
    if expected.value < model.fail_below:
        return f"{text}, below {model.fail_below:g}: likely to fail"
    if model.is_doubtful(expected):
        return f"{text}, lower than on almost all clean images, and may be below {model.fail_below:g}"
    return None


def _joined(*reasons: str | None) -> str | None:
    return "; ".join(filter(None, reasons)) or None


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Piecewise linear calibration curve, constant beyond its first and its last point.

    Attributes
    ----------
    raw : ndarray (N,)
        Raw error probabilities, strictly increasing.
    calibrated : ndarray (N,)
        How often the label was wrong there, 0 to 1, non-decreasing.
    ece_before, ece_after : float
        Expected calibration error of the raw and of the calibrated probability near the structures,
        cross-validated.
    name : str
        Kind of the curve; "raw" for a probability that no curve makes better.
    """

    raw: np.ndarray
    calibrated: np.ndarray
    ece_before: float
    ece_after: float
    name: str = "isotonic"

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> ErrorCurve:
        """Build it from its part of `calibration.json`.

        Raises
        ------
        ValueError
            If the points are not an increasing curve.
        """
        raw, calibrated = (np.asarray(content[name], dtype=np.float64) for name in ("raw", "calibrated"))
        _check_curve(raw, calibrated)
        # Curves of earlier versions have no name; all were isotonic.
        name = content.get("curve", "isotonic")
        return cls(raw, calibrated, float(content["ece_before"]), float(content["ece_after"]), name)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float32, of the same shape; NaN stays NaN."""
        flat = np.ravel(raw)
        result = np.empty(flat.shape, dtype=np.float32)
        for first in range(0, flat.size, CHUNK):
            part = slice(first, first + CHUNK)
            result[part] = np.interp(flat[part], self.raw, self.calibrated)
        return result.reshape(np.shape(raw))

    def summary(self) -> dict[str, Any]:
        """Return what a report holds of it."""
        return {"ece_after": self.ece_after, "curve": self.name}


def _check_curve(raw: np.ndarray, calibrated: np.ndarray) -> None:
    if len(raw) != len(calibrated) or len(raw) < 2:
        raise ValueError(f"error_probability: {len(raw)} raw and {len(calibrated)} calibrated points")
    if not (np.isfinite(raw).all() and np.isfinite(calibrated).all()):
        raise ValueError("error_probability: a point is not a finite number")
    if not (np.diff(raw) > 0).all():
        raise ValueError("error_probability: the raw points do not rise")
    if not (np.diff(calibrated) >= 0).all():
        raise ValueError("error_probability: the calibrated points fall")
    if calibrated[0] < 0 or calibrated[-1] > 1:
        raise ValueError("error_probability: a calibrated point is not a probability")


@dataclass(frozen=True)
class VolumeModel:
    """Interval `center -+ quantile * (volume_spread_ml + floor_ml)`.

    Attributes
    ----------
    label : int
        Of the structure.
    level : float
        Nominal coverage of the interval, such as .9.
    center : str
        `mask` or `expected`.
    quantile : float
        Conformal quantile of `|true volume - center| / (spread + floor)`.
    floor_ml : float
        Spread of a case with no uncertainty.
    coverage : float
        Share of the cases whose true volume lay in it, cross-validated.
    mean_width_ml, mean_width_without_uncertainty_ml : float
        Of the interval, and of an interval with the same width for every case.
    cases : int
        Number of cases.

    References
    ----------
    Lei et al., "Distribution-free predictive inference for regression", JASA 2018: conformal intervals whose
    width follows an estimate of the spread.
    """

    label: int
    level: float
    center: str
    quantile: float
    floor_ml: float
    coverage: float
    mean_width_ml: float
    mean_width_without_uncertainty_ml: float
    cases: int

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> VolumeModel:
        """Build it from its part of `calibration.json`.

        Raises
        ------
        ValueError
            If its numbers do not define an interval.
        """
        model = cls(**{name: content[name] for name in cls.__dataclass_fields__})
        if model.center not in CENTERS:
            raise ValueError(f"volumes: center is {model.center!r:.40}, not any of {', '.join(CENTERS)}")
        if not (0 <= model.quantile < math.inf and 0 <= model.floor_ml < math.inf):
            raise ValueError(f"volumes: label {model.label} has no finite, positive quantile and floor")
        return model

    def interval_ml(self, scores: StructureScores) -> tuple[float, float]:
        """Return the lowest and the highest plausible volume in ml, not below 0."""
        center = getattr(scores, CENTERS[self.center])
        half = self.quantile * (scores.volume_spread_ml + self.floor_ml)
        return max(0.0, center - half), max(0.0, center + half)

    def summary(self) -> dict[str, Any]:
        """Return what a report holds of it."""
        return {name: getattr(self, name) for name in ("label", "level", "coverage", "cases")}
