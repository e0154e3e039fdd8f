"""Reference for the input check: the images a model was trained on, part `input` of a `calibration.json`.

For each fact it has the range over all patients, widened by a margin. The margin is found by leaving patients
out, for all facts together: at most one patient in a hundred would be called unlike the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trustseg_training.dataset import Case, DatasetError, remap
from trustseg_training.evaluation import EvaluatedModel, choose_cases, inspector_of
from trustseg_training.progress import counted
from TrustSegLib.bundle import ModelDescription
from TrustSegLib.contract import CALIBRATION_SCHEMA
from TrustSegLib.errors import ImageError
from TrustSegLib.inference.training_comparison import image_facts
from TrustSegLib.uncertainty.image_features import Fact, Kind, shape_facts

from .cases import folds
from .fitting import Fitted

#: Share of the patients that may be called unlike the others.
FALSE_ALARMS = 0.01

#: Smallest margin, in units of the distance from the median to the 5 or 95 % quantile.
LEAST_MARGIN = 0.5

#: Parts into which the patients are split to find the margin; each is left out once.
PARTS = 20

#: With fewer, any range is a guess.
LEAST_PATIENTS = 10


@dataclass(frozen=True)
class ReferenceCase:
    """One image of the training: its patient and its facts, including those of the true labels."""

    patient: str
    facts: Mapping[str, Fact]


def reference_cases(
    evaluated: EvaluatedModel, cases: Sequence[Case], modality: str | None = None
) -> list[ReferenceCase]:
    """Read images and labels and measure them.

    Parameters
    ----------
    evaluated : EvaluatedModel
        The model, for its channels and structures.
    cases : sequence of Case
        Of training and validation.
    modality : str, optional
        DICOM's; default: `modality_of` the model.

    Raises
    ------
    DatasetError
        Naming every image and label that cannot be used.
    """
    description = evaluated.model.description
    modality = modality or modality_of(description)
    inspector = inspector_of(evaluated)
    found = []
    for case in counted(cases, "measuring images"):
        volumes = inspector.read(case)
        if volumes is not None:
            image, label = volumes
            truth = label.with_array(remap(label.array, evaluated.label_map))
            facts = image_facts(image, description, modality)
            facts |= shape_facts(truth, description.structures)
            found.append(ReferenceCase(case.patient, facts))
    if inspector.problems:
        raise DatasetError(cases[0].images[0].parent, inspector.problems)
    return found


def modality_of(description: ModelDescription) -> str:
    """The model's modality; for a run, which does not know it, CT if a window normalizes it, else OT (other).

    The facts of OT are those of all modalities except CT.
    """
    if description.modality == "OT" and description.input.normalization.method == "window":
        return "CT"
    return description.modality


def input_reference(cases: Sequence[ReferenceCase]) -> dict[str, Any] | None:
    """Fit the ranges and measure their false alarms by cross-validation over patients.

    Parameters
    ----------
    cases : sequence of ReferenceCase
        All images of the model's training and validation.

    Returns
    -------
    dict or None
        `cases`, `patients`, `facts` and `false_alarms`, the share of left-out patients with a fact outside;
        None with fewer than `LEAST_PATIENTS`.
    """
    patient = np.array([case.patient for case in cases])
    if len(np.unique(patient)) < LEAST_PATIENTS:
        return None
    table = _Table.of(cases)
    alarmed = np.zeros(len(cases), bool)
    for fit, left_out in folds(patient):
        low, high = table.take(fit).limits()
        alarmed[left_out] = table.take(left_out).outside(low, high)
    low, high = table.limits()
    return {
        "cases": len(cases),
        "patients": len(np.unique(patient)),
        "facts": {
            name: table.content(index, float(low[index]), float(high[index]))
            for index, name in enumerate(table.names)
        },
        "false_alarms": float(np.mean([alarmed[patient == name].any() for name in np.unique(patient)])),
    }


@dataclass(frozen=True, eq=False)
class _Table:
    """All facts of all cases: `values` (n, f), logarithms of ratios, NaN where a case lacks a fact."""

    patient: np.ndarray
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    values: np.ndarray

    @classmethod
    def of(cls, cases: Sequence[ReferenceCase]) -> _Table:
        """Facts that fewer than `LEAST_PATIENTS` patients have are left out."""
        kinds = {name: fact.kind for case in cases for name, fact in case.facts.items()}
        having = {name: {case.patient for case in cases if name in case.facts} for name in kinds}
        names = tuple(name for name in kinds if len(having[name]) >= LEAST_PATIENTS)
        rows = [[_scaled(case.facts.get(name)) for name in names] for case in cases]
        patient = np.array([case.patient for case in cases])
        return cls(patient, names, tuple(kinds[name] for name in names), np.array(rows, float))

    def take(self, chosen: np.ndarray) -> _Table:
        """Some of the cases, bool (n,)."""
        return _Table(self.patient[chosen], self.names, self.kinds, self.values[chosen])

    def outside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Bool (n,): any fact is outside its limits (f,)."""
        return ((self.values < low) | (self.values > high)).any(axis=1)

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high (f,), both widened by the margin and at least by the tolerance."""
        return self._widened(*self._range(), self._margin())

    def _range(self) -> tuple[np.ndarray, ...]:
        """Range of each fact, and the distances from the median to its 5 and 95 % quantiles."""
        low, q5, middle, q95, high = _quantiles(self.values, np.array([0, 0.05, 0.5, 0.95, 1]))
        return low, high, middle - q5, q95 - middle

    def _widened(
        self, low: np.ndarray, high: np.ndarray, below: np.ndarray, above: np.ndarray, margin: float
    ) -> tuple[np.ndarray, np.ndarray]:
        tolerance = np.array([np.log(k.tolerance) if k.is_ratio else k.tolerance for k in self.kinds])
        return low - np.maximum(margin * below, tolerance), high + np.maximum(margin * above, tolerance)

    def _margin(self) -> float:
        """The margin that all patients but one in a hundred need to be within the others' limits."""
        needed = []
        for rest, own in folds(self.patient, PARTS):
            low, high, below, above = self.take(rest)._range()
            least, most = self._widened(low, high, below, above, 0.0)
            values = self.values[own]
            # Only what its tolerance does not cover needs a margin; a spread of 0 offers none.
            with np.errstate(divide="ignore", invalid="ignore"):
                margins = np.fmax(
                    np.where(values < least, (low - values) / below, 0),
                    np.where(values > most, (values - high) / above, 0),
                )
            most_of = np.max(margins, axis=1, initial=0.0, where=np.isfinite(margins))
            patient = self.patient[own]
            needed += [float(most_of[patient == name].max()) for name in np.unique(patient)]
        return max(LEAST_MARGIN, float(np.quantile(needed, 1 - FALSE_ALARMS, method="higher")))

    def content(self, index: int, low: float, high: float) -> dict[str, Any]:
        """Content of the file for a fact, in its own unit: the limits, and the range that was seen."""
        kind, values = self.kinds[index], self.values[:, index]
        numbers = np.array([low, high, np.nanmin(values), np.nanmax(values)])
        low, high, least, most = (np.exp(numbers) if kind.is_ratio else numbers).tolist()
        return {"low": low, "high": high, "unit": kind.unit, "seen": [least, most]}


def _quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Quantiles (q, f) of each column of (n, f) without NaN; `np.nanquantile` is far slower."""
    ordered = np.sort(values, axis=0)
    last = np.maximum(np.isfinite(values).sum(axis=0) - 1, 0)
    place = shares[:, None] * last
    below = np.floor(place).astype(int)
    first, second = (np.take_along_axis(ordered, index, 0) for index in (below, np.minimum(below + 1, last)))
    return first + (place - below) * (second - first)


def _scaled(fact: Fact | None) -> float:
    if fact is None:
        return np.nan
    return np.log(fact.value) if fact.kind.is_ratio else fact.value


def with_input(fitted: Fitted, evaluated: EvaluatedModel, data: Path, modality: str | None = None) -> Fitted:
    """Add the reference for the input check, from the images of training and validation.

    Parameters
    ----------
    fitted : Fitted
        The other parts of the calibration.
    evaluated : EvaluatedModel
        Run or bundle.
    data : Path
        Data set.
    modality : str, optional
        DICOM's; default: `modality_of` the model.

    Returns
    -------
    Fitted
        With the reason in `left_out` if there are too few patients, or no training set.

    Raises
    ------
    DatasetError
        Naming every image and label that cannot be used.
    """
    try:
        cases = [case for split in ("train", "val") for case in choose_cases(evaluated, data, split)]
    except ImageError as error:  # a bundle may be calibrated on other data than it was trained on
        return replace(fitted, left_out=(*fitted.left_out, f"input left out: {error}"))
    modality = modality or modality_of(evaluated.model.description)
    reference = input_reference(reference_cases(evaluated, cases, modality))
    if reference is None:
        found = len({case.patient for case in cases})
        reason = f"input left out: {found} patients, at least {LEAST_PATIENTS} are needed"
        return replace(fitted, left_out=(*fitted.left_out, reason))
    content = fitted.content or {"schema": CALIBRATION_SCHEMA, "record": fitted.record}
    return replace(fitted, content={**content, "input": {"modality": modality, **reference}})
