"""Which corruptions and attacks a model is put under."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trustseg_training import attacks, corruptions, suites
from trustseg_training.config.yaml_file import opened, settings_of_node
from TrustSegLib.errors import OptionError

CLEAN = "clean"

_KNOWN = {"title": str, "corruptions": tuple[str, ...], "attacks": tuple[str, ...]}


@dataclass(frozen=True)
class Suite:
    """Conditions of a verification; the clean image is always the first.

    Attributes
    ----------
    name, title : str
        Of the file, and for the report's head.
    corruptions : tuple of Corruption
        Of the image as it is on the disk.
    attacks : tuple of Attack or Transfer
        On the image as the network knows it; each model is attacked through its own prediction, but where
        the attack is a transferred one.
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
        return (CLEAN, *(each.key for each in (*self.corruptions, *self.attacks)))


def load_suite(name: str) -> Suite:
    """A suite that ships, by name, or one of a YAML file.

    Parameters
    ----------
    name : str
        One of `suites.names`, or the path of a YAML file with ``title``, ``corruptions`` and ``attacks``.

    Raises
    ------
    OptionError
        There is none of this name, or something in its file is not valid: with its line.
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
