"""One number of a verification's summary, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .readings import Summary

#: Instead of a condition: the one in which the value is worst.
WORST = "worst"

#: Instead of a condition: all cases under all conditions.
POOL = "pool"

_CALIBRATION = ("ece", "brier", "nll")
_DETECTION = ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong")


@dataclass(frozen=True)
class Measured:
    """A value, its 95 % interval where there is one, and the condition if it is the worst of all."""

    value: float
    low: float | None = None
    high: float | None = None
    condition: str = ""


def measured(
    summary: Summary, model: str, measure: str, condition: str, of: str = "", low_is_good: bool = False
) -> Measured | None:
    """Look one number up; None if it was not measured.

    Parameters
    ----------
    summary : mapping
        Content of ``summary.json``.
    model : str
        Its name there.
    measure : str
        Of a structure (``dice``, ``hd95_mm``, ``delta_dice_5`` ..., or ``expected_dice_gap``: how far the
        mean expected Dice is from the mean Dice), of voxels (``ece``, ``auroc`` ...), or of the pool
        (``failure_auroc``, ``aurc``, ``spearman``, ``growth``: the share of growing chains, ``brightness``:
        the size of the relative change under the gain that is the condition).
    condition : str
        Its key, `WORST` or `POOL`.
    of : str
        Structure, uncertainty or score.
    low_is_good : bool
        Which value is the worst one.
    """
    if condition == POOL or measure == "brightness":
        return _of_pool(summary["pool"].get(model, {}).get(of), measure, condition)
    conditions = summary["conditions"].get(model, {})
    if condition != WORST:
        return _of_condition(conditions.get(condition), measure, of)
    values = list(_named(conditions, measure, of))
    return (max if low_is_good else min)(values, key=lambda each: each.value) if values else None


def _named(conditions: Mapping[str, Any], measure: str, of: str) -> Iterator[Measured]:
    for key, found in conditions.items():
        if (value := _of_condition(found, measure, of)) is not None:
            yield Measured(value.value, value.low, value.high, key)


def _of_condition(found: Mapping[str, Any] | None, measure: str, of: str) -> Measured | None:
    if found is None:
        return None
    if measure in _CALIBRATION:
        return _interval(found["calibration"].get(measure))
    if measure in _DETECTION:
        return _interval(found["detection"].get(of, {}).get(measure))
    structure = found["structures"].get(of, {})
    if measure == "expected_dice_gap":
        return _gap(_interval(structure.get("expected_dice")), _interval(structure.get("dice")))
    return _interval(structure.get(measure))


def _gap(expected: Measured | None, true: Measured | None) -> Measured | None:
    return None if expected is None or true is None else Measured(abs(expected.value - true.value))


def _of_pool(found: Mapping[str, Any] | None, measure: str, condition: str) -> Measured | None:
    if found is None:
        return None
    if measure == "growth":
        chains = found["growth"]["chains"]
        return Measured(found["growth"]["growing"] / chains) if chains else None
    if measure == "brightness":
        change = found["brightness"].get(condition)
        return None if change is None else Measured(abs(change))
    return _interval(found.get(measure))


def _interval(found: Mapping[str, Any] | None) -> Measured | None:
    if found is None or found["value"] is None:
        return None
    return Measured(found["value"], found.get("low"), found.get("high"))
