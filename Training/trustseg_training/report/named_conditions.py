"""Titles of conditions in sentences, tables and plots, and their grouping into families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trustseg_training.attacks import Attack, Transfer
from trustseg_training.corruptions import CLEAN, NOISES, Corruption
from trustseg_training.robustness.suite import Suite

CLEAN_GROUP, NOISE, ARTIFACTS, ATTACKS = "clean", "noise", "artifacts", "attacks"
GROUPS = (NOISE, ARTIFACTS, ATTACKS)

_NOISE_TITLES = {
    "gaussian": "Gaussian noise",
    "rician": "Rician noise",
    "poisson": "Poisson noise",
    "speckle": "Speckle noise",
    "salt_and_pepper": "Salt-and-pepper noise",
}
_ARTIFACT_TITLES = {"bias_field": "Bias field", "gamma": "Gamma (contrast)", "gain": "Gain (brightness)"}
_ATTACK_TITLES = {
    "fgsm": "FGSM attack",
    "pgd": "PGD attack",
    "segpgd": "SegPGD attack",
    "uncertainty": "Attack on the uncertainty",
}
SNR, SEVERITY, EPSILON = "SNR (dB)", "Severity (1 to 5)", "Epsilon (% of range)"


@dataclass(frozen=True)
class NamedCondition:
    """A condition as it is shown.

    Attributes
    ----------
    key : str
        As in the tables.
    group : str
        `CLEAN_GROUP` or one of `GROUPS`.
    family : str
        Its kind without the strength: conditions of one family share a panel.
    strength : float or None
        In the unit of `axis`; None for the clean image.
    axis : str
        What the strength is, with its unit.
    title : str
        Family and strength.
    """

    key: str
    group: str
    family: str
    strength: float | None
    axis: str
    title: str

    @property
    def hardness(self) -> float:
        """Increases with the degradation of the image; comparable within a family only."""
        if self.strength is None:
            return float("-inf")
        return -self.strength if self.axis == SNR else self.strength


CLEAN_CONDITION = NamedCondition(CLEAN, CLEAN_GROUP, "Clean image", None, "", "clean image")


def named_conditions(suite: Suite) -> tuple[NamedCondition, ...]:
    """All conditions of a suite in their order, the clean image first."""
    corruptions = (_of_corruption(each) for each in suite.corruptions)
    return (CLEAN_CONDITION, *corruptions, *(_of_attack(each) for each in suite.attacks))


def families(conditions: Sequence[NamedCondition], group: str) -> dict[str, list[NamedCondition]]:
    """Conditions of a group by family, from the weakest to the strongest, each with the clean image first.

    A noise by severity and the same noise by SNR are two families: they share no axis.
    """
    found: dict[tuple[str, str], list[NamedCondition]] = {}
    for each in conditions:
        if each.group == group:
            found.setdefault((each.family, each.axis), []).append(each)
    names = [family for family, _ in found]
    return {
        (family if names.count(family) == 1 else f"{family}, {axis}"): [
            CLEAN_CONDITION,
            *sorted(members, key=lambda each: each.hardness),
        ]
        for (family, axis), members in found.items()
    }


def _of_corruption(corruption: Corruption) -> NamedCondition:
    plain = corruption.name.replace("_", " ").capitalize()
    named = {**_NOISE_TITLES, **_ARTIFACT_TITLES}.get(corruption.name, plain)
    family = named + _place(corruption.where)
    group = NOISE if corruption.name in NOISES else ARTIFACTS
    if corruption.snr_db is not None:
        title = f"{family}, {corruption.snr_db:g} dB"
        return NamedCondition(corruption.key, group, family, corruption.snr_db, SNR, title)
    title = f"{family}, severity {corruption.severity}"
    return NamedCondition(corruption.key, group, family, float(corruption.severity), SEVERITY, title)


def _place(where: str | int) -> str:
    if where == "all":
        return ""
    return f" on label {where} only" if isinstance(where, int) else f" on the {where} only"


def _of_attack(named: Attack | Transfer) -> NamedCondition:
    attack, source = (
        (named.attack, f", made with {named.source}") if isinstance(named, Transfer) else (named, "")
    )
    steps = "" if attack.steps == 1 else f", {attack.steps} steps"
    classes = f", label {attack.source} to {attack.target}" if attack.targeted else ""
    # Apart from its epsilon, an attack with another step size is another attack.
    default = Attack(attack.name, attack.epsilon, attack.steps).step_size
    share = (
        "" if attack.step_size == default else f", steps of {attack.step_size / attack.epsilon:.2g} epsilon"
    )
    family = f"{_ATTACK_TITLES[attack.name]}{steps}{share}{classes}{source}"
    percent = 100 * attack.epsilon
    return NamedCondition(named.key, ATTACKS, family, percent, EPSILON, f"{family}, epsilon {percent:g} %")
