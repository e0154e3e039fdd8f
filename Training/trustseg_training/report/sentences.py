"""A summary for physicians: plain sentences, each derived from the summary's numbers by a fixed rule.

They state only what was measured, and what could not be measured. The rules:

- The best of a group of conditions is the model with the highest mean Dice over conditions and structures;
  models within `LEVEL` of it are level with it and are not ranked.
- A structure fails under a condition if its mean Dice over patients is below `FAILURE_DICE`.
- A difference counts only if its p-value, corrected for all comparisons, is below `SIGNIFICANT`.
- Whether uncertainty warns of failed cases is graded by its AUROC over all cases under all conditions, in the
  words of `_WARNS`; if the interval includes 1/2, the sentence says that chance could explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trustseg_training.corruptions import CLEAN
from trustseg_training.formatting import count, listed, percent, share
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.robustness.models import temperature_scaled

from .named_conditions import ARTIFACTS, ATTACKS, CLEAN_GROUP, NOISE, NamedCondition
from .readings import (
    ERROR,
    Summary,
    has_variance,
    look_up,
    mask_reading,
    mean_dice,
    structures_of,
    worst_condition,
)
from .tables import Comparison

LEVEL = 0.005
SIGNIFICANT = 0.05

#: With fewer patients, intervals miss the truth more often than their level says.
FEW_PATIENTS = 20

#: Largest number of failures that are listed one by one.
MOST_LISTED = 4

#: The case score of the sentences: expected Dice, which the software shows for every case.
SCORE = "expected_dice"

_KINDS = {NOISE: "noise", ARTIFACTS: "image artifacts", ATTACKS: "attack"}

_WARNS = ((0.95, "warns reliably"), (0.8, "warns often, but not always"), (0.6, "warns weakly"))
_DOES_NOT = "does not warn"

_UNDER = {
    CLEAN_GROUP: "On clean images",
    NOISE: "Under noise",
    ARTIFACTS: "Under image artifacts",
    ATTACKS: "Under attacks",
}


def measured(
    summary: Summary,
    conditions: Sequence[NamedCondition],
    patients: int,
    suite: str,
    split: str | None = None,
) -> str:
    """What was measured, on how many patients."""
    groups = [each.group for each in conditions]
    parts = [f"{groups.count(group)} under {kind}" for group, kind in _KINDS.items() if group in groups]
    models = listed(list(summary["conditions"]))
    of = f" of the set “{split}”" if split else ""
    return (
        f"{count(len(summary['conditions']), 'model')} ({models}) on {count(patients, 'patient')}{of}, "
        f"suite “{suite}”, {count(len(conditions), 'condition')}: {listed(['the clean image', *parts])}. "
        f"Random numbers start from seed {summary['seed']}."
    )


def caution(patients: int) -> str | None:
    """A caution if there are few patients; None if there are enough."""
    if patients >= FEW_PATIENTS:
        return None
    return (
        f"With only {count(patients, 'patient')}, the intervals are rough and most differences will not be "
        f"significant: use at least {FEW_PATIENTS} before choosing a model by this report."
    )


def fitted_here(summary: Summary) -> str | None:
    """Which models have a temperature that may have been fitted on these patients."""
    options = {model: known.get("options", {}) for model, known in summary.get("networks", {}).items()}
    scaled = [model for model, found in options.items() if found.get("temperature", 1.0) != 1.0]
    scaled = [model for model in scaled if not temperature_scaled([model])]
    if not scaled:
        return None
    have = "has a temperature that was" if len(scaled) == 1 else "have temperatures that were"
    return (
        f"{listed(scaled)} {have} fitted on validation patients: if these are the same, ECE, Brier score, "
        "likelihood and volume bias are too optimistic."
    )


def best(summary: Summary, conditions: Sequence[NamedCondition], group: str) -> str | None:
    """Which model performs best under a group of conditions; None if there are none."""
    keys = [each.key for each in conditions if each.group == group]
    if not keys:
        return None
    means = {
        model: _mean([mean_dice(summary, model, key) for key in keys]) for model in summary["conditions"]
    }
    known = sorted(((value, model) for model, value in means.items() if value is not None), reverse=True)
    missing = [model for model, value in means.items() if value is None]
    under = _UNDER[group] + (f" ({count(len(keys), 'condition')})" if group != CLEAN_GROUP else "")
    without = f" {listed(missing)} could not be measured under all of them." if missing else ""
    if not known:
        return f"{under}, no model could be compared."
    return f"{under}, {_ranking(known)}.{without}"


def _ranking(known: list[tuple[float, str]]) -> str:
    level = [(value, model) for value, model in known if known[0][0] - value < LEVEL]
    rest = known[len(level) :]
    first = listed([f"{model} ({share(value)})" for value, model in level])
    if len(known) == 1:
        return f"the mean Dice of {known[0][1]} is {share(known[0][0])}"
    if not rest:
        return f"the mean Dice of all models is level: {first}"
    against = f"against {share(rest[0][0])} of {rest[0][1]}"
    if len(level) > 1:
        return f"{first} are level and ahead, {against}"
    return f"{known[0][1]} has the highest mean Dice: {share(known[0][0])}, {against}"


def significant(comparisons: Sequence[Comparison], model: str, first: str) -> str | None:
    """In how many comparisons a model is significantly better or worse than the first one."""
    own = [each for each in comparisons if each.model == model and each.corrected is not None]
    if not own:
        return None
    sure = [each for each in own if each.corrected < SIGNIFICANT]
    better = sum(each.mean > 0 for each in sure)
    worse = len(sure) - better
    if not sure:
        return (
            f"{model} does not differ significantly from {first} in any of {count(len(own), 'comparison')}."
        )
    return (
        f"Against {first}, {model} is significantly better in {better} and significantly worse in {worse} of "
        f"{count(len(own), 'comparison')} (one structure under one condition each)."
    )


def failures(summary: Summary, conditions: Sequence[NamedCondition], model: str) -> str:
    """Under which conditions a model fails."""
    found, unknown = [], 0
    for each in conditions:
        values = {
            name: mask_reading(summary, model, each.key, name, "dice").value
            for name in structures_of(summary)
        }
        unknown += None in values.values()
        low = {name: value for name, value in values.items() if value is not None and value < FAILURE_DICE}
        if low:
            found.append((min(low.values()), each.title, low))
    limit = share(FAILURE_DICE).rstrip("0")
    missing = f" {count(unknown, 'condition')} could not be measured in full." if unknown else ""
    total = count(len(conditions) - unknown if not found else len(conditions), "condition")
    if not found:
        every = f"every structure has a mean Dice of at least {limit} under {total}"
        return f"{model} does not fail: {every}.{missing}"
    found.sort(key=lambda one: one[0])
    named = [f"{title} ({_named(low)})" for _, title, low in found[:MOST_LISTED]]
    more = [f"{len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return (
        f"{model} fails (mean Dice of a structure below {limit}) under {len(found)} of {total}: "
        f"{listed(named + more)}.{missing}"
    )


def _named(low: dict[str, float]) -> str:
    return ", ".join(f"{name} {share(value)}" for name, value in low.items())


def warns(summary: Summary, model: str) -> str:
    """Whether a model's uncertainty distinguishes failed cases from good ones."""
    found = summary["pool"].get(model, {}).get(SCORE, {}).get("failure_auroc", {})
    value, low = found.get("value"), found.get("low")
    if value is None:
        return (
            f"Whether the uncertainty of {model} warns of failed cases cannot be evaluated: that needs both "
            "failed and good cases, and only one kind occurred."
        )
    word = next((word for least, word in _WARNS if value >= least), _DOES_NOT)
    chance = "" if low is None or low > 0.5 else ", which chance could explain"
    within = "" if low is None else f" (95 % interval {100 * low:.0f} to {100 * found['high']:.0f})"
    return (
        f"The uncertainty of {model} {word}: of a failed and a good case, it is the failed one that is less "
        f"trusted in {100 * value:.0f} of 100 pairs{within}{chance}."
    )


def wrong_voxels(summary: Summary, conditions: Sequence[NamedCondition], model: str) -> str | None:
    """How much more uncertain wrong voxels are than right ones, clean and under the worst condition."""
    titles = {each.key: each.title for each in conditions}
    worst = worst_condition(summary, list(titles))
    parts = []
    for key in (CLEAN, worst):
        wrong, right = (_detected(summary, model, key, name) for name in ("mean_wrong", "mean_correct"))
        if wrong is not None and right:
            place = "on clean images" if key == CLEAN else f"under the worst condition ({titles[key]})"
            parts.append(f"{percent(wrong)} against {percent(right)} {place}")
    if not parts:
        return None
    return f"Its error probability near the structures, of wrong against right voxels: {listed(parts)}."


def _detected(summary: Summary, model: str, key: str | None, name: str) -> float | None:
    found = None if key is None else look_up(summary, model, name, key, ERROR)
    return None if found is None else found.value


def no_variance(summary: Summary, model: str) -> str | None:
    """That a model has no predictive variance."""
    if has_variance(summary, model) is not False:
        return None
    return f"{model} gives no variance: its uncertainty comes from its class probabilities alone."


def _mean(values: list[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))
