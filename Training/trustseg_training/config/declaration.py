"""How a setting is declared: section, meaning, default and allowed values, all in one place.

The options of `fit`, the file that `init` writes, the checks and the documentation of `FitConfiguration` are
derived from it. Standard library only: `--help` must not wait for PyTorch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from TrustSegLib.errors import OptionError

_KEY = "declaration"


@dataclass(frozen=True)
class Rule:
    """Which values a setting may have.

    Attributes
    ----------
    valid : callable
        From a value to whether it is allowed.
    allowed : str
        What is allowed, for an error message.
    choices : tuple
        All allowed values, where they can be listed.
    """

    valid: Callable[[Any], bool]
    allowed: str
    choices: tuple = ()

    @property
    def or_none(self) -> Rule:
        """The same rule for a setting that may also be None."""
        allowed = self.allowed.removesuffix(" is needed") + ", or none, is needed"
        return Rule(lambda value: value is None or self.valid(value), allowed)


def one_of(*choices: str | int) -> Rule:
    """One of these values."""
    names = ", ".join(map(str, choices))
    return Rule(lambda value: value in choices, f"choose one of {names}", choices)


def whole(least: int) -> Rule:
    """A whole number from ``least`` on."""
    return Rule(lambda value: value >= least, f"a whole number of at least {least} is needed")


ABOVE_0 = Rule(lambda value: value > 0, "a number above 0 is needed")
NOT_NEGATIVE = Rule(lambda value: value >= 0, "a number of at least 0 is needed")
SHARE = Rule(lambda value: 0 <= value <= 1, "a number from 0 to 1 is needed")
BETWEEN_0_AND_1 = Rule(lambda value: 0 < value < 1, "a number between 0 and 1 is needed")
SEED = Rule(lambda value: 0 <= value < 2**32, "a whole number from 0 to 2**32 - 1 is needed")
EVEN = Rule(lambda value: value >= 2 and value % 2 == 0, "an even number of at least 2 is needed")
NAMES = Rule(lambda names: 0 < len(names) == len(set(names)), "give one name each, every name once")


@dataclass(frozen=True)
class Declaration:
    """Everything about a setting but its name, type and default.

    Attributes
    ----------
    section : str
        Heading under which it stands.
    help : str
        A phrase for ``--help``. ``{none}`` stands for how None is written: none on the command line, null in
        YAML.
    details : str
        Further sentences, for the configuration file and the documentation.
    metavar : str or None
        Placeholder of its value in ``--help``.
    rule : Rule or None
        Values that it may have, whatever the other settings are.
    is_place : bool
        Whether it names a file or folder.
    for_random_weights : bool
        Whether it has an effect only on networks with random weights.
    """

    section: str
    help: str
    details: str = ""
    metavar: str | None = None
    rule: Rule | None = None
    is_place: bool = False
    for_random_weights: bool = False

    def sentences(self, none: str = "null") -> str:
        """Meaning, choices and details in whole sentences."""
        choices = [str(choice) for choice in self.rule.choices] if self.rule else []
        first = self.help[0].upper() + self.help[1:]
        if choices:
            first += f" ({', '.join(choices[:-1])} or {choices[-1]})"
        return f"{first}. {self.details}".strip().replace("{none}", none)


def setting(section: str, help: str, details: str = "", *, default: Any = MISSING, **declared: Any) -> Any:
    """A dataclass field with its declaration.

    Parameters
    ----------
    section, help, details
        See `Declaration`.
    default : object, optional
        Value, or a function that makes it.
    **declared
        Further fields of `Declaration`.
    """
    metadata = {_KEY: Declaration(section, help, details, **declared)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def declarations(configuration: type) -> dict[str, Declaration]:
    """Declaration of every setting, by name, in the order of the fields."""
    return {each.name: each.metadata[_KEY] for each in fields(configuration)}


def sections(configuration: type) -> dict[str, dict[str, Declaration]]:
    """The same under the headings of the sections."""
    found: dict[str, dict[str, Declaration]] = {}
    for name, declared in declarations(configuration).items():
        found.setdefault(declared.section, {})[name] = declared
    return found


def default_of(each: Field) -> Any:
    """Default of a field; `MISSING` where it has none."""
    return each.default if each.default_factory is MISSING else each.default_factory()


def documented(configuration: type) -> type:
    """Add the settings to the docstring of their class, which ends with the heading of the attributes."""
    lines = []
    for name, declared in declarations(configuration).items():
        text = textwrap.fill(declared.sentences(none="None"), 100)
        lines += [f"    {name} : {configuration.__annotations__[name]}", textwrap.indent(text, " " * 8)]
    if configuration.__doc__:  # Python may be run without docstrings
        configuration.__doc__ = "\n".join([configuration.__doc__.rstrip(), *lines, ""])
    return configuration


class SettingError(OptionError):
    """A setting has a value that cannot train; ``setting`` is its name."""

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"{setting.replace('_', '-')} {value!r} is not valid; {allowed}")
        self.setting = setting
