"""Suites: the corruptions and attacks that models are tested under, and how they are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trustseg_training import attacks, corruptions, suites
from trustseg_training.config.yaml_file import opened, settings_of_node
from trustseg_training.evaluation import EvaluatedModel
from TrustSegLib.errors import OptionError

_KNOWN = {"title": str, "corruptions": tuple[str, ...], "attacks": tuple[str, ...]}


@dataclass(frozen=True)
class Suite:
    """Conditions of a verification; the clean image is always the first.

    Attributes
    ----------
    name, title : str
        Name of the file; title for the report.
    corruptions : tuple of Corruption
        Of the image as stored.
    attacks : tuple of Attack or Transfer
        On the network's input; each model is attacked through its own prediction, unless the attack is
        transferred.
    """

    name: str
    title: str
    corruptions: tuple[corruptions.Corruption, ...] = ()
    attacks: tuple[attacks.Attack | attacks.Transfer, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the models that attacks are transferred from."""
        transferred = (each.source for each in self.attacks if isinstance(each, attacks.Transfer))
        return tuple(dict.fromkeys(transferred))

    @property
    def conditions(self) -> tuple[str, ...]:
        """Keys of all conditions, in their order."""
        return (corruptions.CLEAN, *(each.key for each in (*self.corruptions, *self.attacks)))


@dataclass(frozen=True)
class Protocol:
    """The conditions that images are put under, and how.

    Attributes
    ----------
    suite : Suite
        The conditions.
    seed : int
        Of all corruptions and attacks.
    device : str
        Where the networks run.
    sources : mapping of str to EvaluatedModel
        The models that attacks are transferred from, see `attacks.Transfer`; they prepare images as the
        evaluated model does.
    """

    suite: Suite
    seed: int
    device: str = "cpu"
    sources: Mapping[str, EvaluatedModel] = field(default_factory=dict)


def load_suite(name: str) -> Suite:
    """Load a suite that ships, by name, or one from a YAML file.

    Parameters
    ----------
    name : str
        One of `suites.names`, or the path of a YAML file with ``title``, ``corruptions`` and ``attacks``.

    Raises
    ------
    OptionError
        There is no suite of this name, or its file has an invalid line.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else suites.path_of(name)
    with opened(path) as (loader, node):
        settings = settings_of_node(path, loader, node, _KNOWN)
    if "title" not in settings:
        raise OptionError(f"{path}: title is missing; add it")
    parsed = {}
    for part, parse in (("corruptions", corruptions.parse), ("attacks", attacks.parse_any)):
        setting = settings.get(part)
        try:
            parsed[part] = tuple(map(parse, setting.value)) if setting else ()
        except OptionError as error:
            raise OptionError(f"{path}, line {setting.line}: {error}") from error
    suite = Suite(path.stem, settings["title"].value, **parsed)
    repeated = [key for key in suite.conditions if suite.conditions.count(key) > 1]
    if repeated:
        raise OptionError(f"{path}: {repeated[0]} is in it twice; keep one")
    return suite


def load_suites(names: Sequence[str]) -> Suite:
    """Load several suites as one; a condition of several of them is measured once.

    Raises
    ------
    OptionError
        See `load_suite`.
    """
    found = [load_suite(name) for name in names]
    if len(found) == 1:
        return found[0]
    return Suite(
        "+".join(suite.name for suite in found),
        "; ".join(suite.title for suite in found),
        tuple(dict.fromkeys(each for suite in found for each in suite.corruptions)),
        tuple(dict.fromkeys(each for suite in found for each in suite.attacks)),
    )
