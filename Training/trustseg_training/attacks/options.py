"""An attack as a value with a short text for tables, also one that is transferred from another model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from TrustSegLib.errors import OptionError

#: The attacks; see `objectives.goal_of` for what each one ascends.
ATTACKS = ("fgsm", "pgd", "segpgd", "uncertainty")
#: Those that can turn one class into another.
TARGETED = ("fgsm", "pgd")

#: Steps of the iterated attacks: as in the study, and past where stronger ones still gain much.
DEFAULT_STEPS = 20
#: The largest step, as a share of epsilon. A step as long as the box jumps from corner to corner.
LARGEST_STEP = 0.25

_MOST_STEPS = 10_000
_MOST_CLASSES = 2**16
_NUMBER, _COUNT = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", r"\d{1,9}"
_KEY = re.compile(
    rf"(?P<name>[a-z]+?)(?P<steps>{_COUNT})?(?:x(?P<step_size>{_NUMBER}))?-(?P<epsilon>{_NUMBER})"
    rf"(?:@(?P<source>{_COUNT})to(?P<target>{_COUNT}))?"
)


@dataclass(frozen=True)
class Attack:
    """One attack at one strength.

    Attributes
    ----------
    name : str
        One of `ATTACKS`.
    epsilon : float
        Largest change of a voxel, as a share of its channel's range in this image, in (0, 1].
    steps : int
        Gradient steps: 1 for ``fgsm``; otherwise 20 if not given.
    step_size : float
        Of one step, in the unit of epsilon: epsilon for ``fgsm``; otherwise epsilon / 4 if not given, which
        is also the largest.
    source, target : int or None
        Voxels of the class ``source`` are to become ``target``; both or neither, ``fgsm`` and ``pgd`` only.

    Raises
    ------
    OptionError
        A value is not valid, or does not fit the attack.
    """

    name: str
    epsilon: float
    steps: int | None = None
    step_size: float | None = None
    source: int | None = None
    target: int | None = None

    def __post_init__(self) -> None:
        if self.name not in ATTACKS:
            raise OptionError(f"attack: name is {self.name!r}; choose one of {', '.join(ATTACKS)}")
        if not _is_number(self.epsilon) or not 0 < self.epsilon <= 1:
            raise OptionError(f"attack {self.name}: epsilon is {self.epsilon!r}; give a number in (0, 1]")
        object.__setattr__(self, "epsilon", float(self.epsilon))
        if self.steps is None:
            object.__setattr__(self, "steps", self._default_steps)
        if self.step_size is None:
            object.__setattr__(self, "step_size", self._default_step_size)
        self._check_steps()
        self._check_classes()
        object.__setattr__(self, "step_size", float(self.step_size))

    @property
    def targeted(self) -> bool:
        """Whether one class is to become another."""
        return self.source is not None

    @property
    def key(self) -> str:
        """Short text for tables, such as ``pgd20-0.02`` or ``pgd20-0.02@1to2``; `parse` reads it.

        A step size other than the default stands behind the steps: ``pgd40x0.002-0.02``.
        """
        steps = "" if self.name == "fgsm" else str(self.steps)
        size = "" if self.step_size == self._default_step_size else f"x{self.step_size!r}"
        classes = f"@{self.source}to{self.target}" if self.targeted else ""
        return f"{self.name}{steps}{size}-{self.epsilon!r}{classes}"

    @property
    def _default_steps(self) -> int:
        return 1 if self.name == "fgsm" else DEFAULT_STEPS

    @property
    def _default_step_size(self) -> float:
        return self.epsilon if self.name == "fgsm" else self.epsilon * LARGEST_STEP

    def _check_steps(self) -> None:
        most = 1 if self.name == "fgsm" else _MOST_STEPS
        if not _is_whole(self.steps) or not 1 <= self.steps <= most:
            raise OptionError(
                f"attack {self.name}: steps is {self.steps!r}; give a whole number from 1 to {most}"
            )
        if not _is_number(self.step_size) or self.step_size <= 0:
            raise OptionError(f"attack {self.name}: step_size is {self.step_size!r}; give a number above 0")
        if self.name == "fgsm" and self.step_size != self.epsilon:
            raise OptionError("attack fgsm: its one step is epsilon long; leave step_size out")
        if self.name != "fgsm" and self.step_size > self._default_step_size:
            raise OptionError(
                f"attack {self.name}: step_size {self.step_size!r} is more than a quarter of epsilon "
                f"{self.epsilon!r}, which makes a weak attack; give at most {self._default_step_size!r}"
            )

    def _check_classes(self) -> None:
        classes = self.source, self.target
        if classes == (None, None):
            return
        if self.name not in TARGETED:
            raise OptionError(f"attack {self.name}: takes no source and target; {' and '.join(TARGETED)} do")
        if not all(_is_whole(label) and 0 <= label < _MOST_CLASSES for label in classes):
            raise OptionError(
                f"attack {self.name}: source {self.source!r} to target {self.target!r}; give two labels"
            )
        if self.source == self.target:
            raise OptionError(f"attack {self.name}: source and target are both {self.source}; give two")


def parse(text: str) -> Attack:
    """Read an attack from its key.

    Parameters
    ----------
    text : str
        Such as ``fgsm-0.02``, ``pgd20-0.02``, ``pgd40x0.002-0.02`` or ``pgd20-0.02@1to2``. The default
        number of steps may be left out: ``pgd-0.02``.

    Raises
    ------
    OptionError
        It is no attack.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise OptionError(f"attack {text!r:.60} is not understood; write it like pgd20-0.02@1to2")
    values = {name: value for name, value in found.groupdict().items() if value is not None}
    kinds = {"name": str, "epsilon": float, "step_size": float}
    return Attack(**{name: kinds.get(name, int)(value) for name, value in values.items()})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FROM = "-from-"


@dataclass(frozen=True)
class Transfer:
    """An attack through one model's prediction, for another to be shown.

    What a model's own gradients hide, such as where its probabilities saturate, another model's do not: one
    that is robust against its own attacks only is not robust.

    Attributes
    ----------
    attack : Attack
        What is done.
    source : str
        Name of the model whose gradients are followed.
    """

    attack: Attack
    source: str

    @property
    def key(self) -> str:
        """Such as ``fgsm-0.02-from-deterministic-1``."""
        return f"{self.attack.key}{_FROM}{self.source}"


def parse_any(text: str) -> Attack | Transfer:
    """Read an attack, transferred or not, from its key.

    Raises
    ------
    OptionError
        It is no attack, or names no model after ``-from-``.
    """
    how, transferred, source = text.partition(_FROM)
    if not transferred:
        return parse(text)
    if not source or "/" in source:
        raise OptionError(f"attack {text!r:.60}: name a model of this verification after {_FROM}")
    return Transfer(parse(how), source)
