"""A study as a YAML file: which networks are trained, on what they agree, and which are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from trustseg_training.config import FitConfiguration, SettingError
from trustseg_training.config.settings import setting_types
from trustseg_training.config.yaml_file import Setting, entries, opened, settings_of_node
from trustseg_training.training import CHECKPOINTS
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization

_PLAIN = {"title": str, "compared": tuple[str, ...], "checkpoint": str}
_NESTED = ("shared", "networks", "variants", "ensembles")
_VARIANT = {"network": str, "propagation": str, "options": dict[str, int | float]}

Settings = dict[str, Setting]


@dataclass(frozen=True)
class Variant:
    """A network's weights, used in another way: see `evaluation.variant_of`."""

    network: str
    propagation: str | None = None
    options: dict[str, int | float] | None = None


@dataclass(frozen=True)
class Study:
    """Several networks that are trained alike and evaluated on the same patients.

    Attributes
    ----------
    name, title : str
        Of the file, and for the head of its table.
    networks : dict
        Configuration of each network by name, those to start from before those that start from them.
    ensembles : dict
        Names of the members of each ensemble, by its name.
    variants : dict
        `Variant` by name; nothing is trained for them.
    compared : tuple of str
        Networks and ensembles of the table; the others are compared with the first.
    checkpoint : str
        ``last`` evaluates the last epoch, which no patient has chosen; ``best`` the one that was best on the
        validation patients.
    """

    name: str
    title: str
    networks: dict[str, FitConfiguration]
    ensembles: dict[str, tuple[str, ...]]
    variants: dict[str, Variant]
    compared: tuple[str, ...]
    checkpoint: str = "last"


def load_study(path: Path, data: Path, runs: Path) -> Study:
    """Read a study.

    Parameters
    ----------
    path : Path
        YAML file with ``title``, ``shared`` settings, ``networks`` (settings of each, by name), ``ensembles``
        (members of each, by name), ``variants`` (a network's name, and how else it is used), ``compared`` and
        ``checkpoint``.
    data : Path
        Data set of every network.
    runs : Path
        Folder of the run folders; ``initialize_from`` names another network of the study. All places in the
        result are absolute; that of a ``cache`` begins at the file's folder.

    Raises
    ------
    OptionError
        The file cannot be read, or something in it is unknown, missing or not valid: with its line.
    """
    with opened(path) as (loader, node):
        parts = {name: (line, part) for name, line, part in entries(path, node)}
        _check_names(path, parts)
        plain = settings_of_node(path, loader, _mapping(node, _PLAIN), _PLAIN)
        shared = _settings(path, loader, parts["shared"][1]) if "shared" in parts else {}
        networks = {
            name: _configuration(path, name, {**shared, **_settings(path, loader, part)}, data, runs)
            for name, _, part in entries(path, parts["networks"][1])
        }
        members = parts.get("ensembles", (0, None))[1]
        names = {name: tuple[str, ...] for name, _, _ in entries(path, members)}
        ensembles = settings_of_node(path, loader, members, names)
        variants = {
            name: _variant(path, line, name, settings_of_node(path, loader, part, _VARIANT), networks)
            for name, line, part in entries(path, parts.get("variants", (0, None))[1])
        }
    study = Study(
        path.stem,
        plain["title"].value,
        _in_order(path, networks, runs),
        {name: setting.value for name, setting in ensembles.items()},
        variants,
        plain["compared"].value,
        plain["checkpoint"].value if "checkpoint" in plain else "last",
    )
    _check(path, study, plain, ensembles)
    return study


def _check_names(path: Path, parts: dict) -> None:
    for name, (line, _) in parts.items():
        if name not in (*_PLAIN, *_NESTED):
            known = ", ".join((*_PLAIN, *_NESTED))
            raise OptionError(f"{path}, line {line}: unknown part {name!r}; a study has {known}")
    for name in ("title", "networks", "compared"):
        if name not in parts:
            raise OptionError(f"{path}: {name} is missing; add it")


def _mapping(node: yaml.MappingNode, names: dict) -> yaml.MappingNode:
    """The part of a mapping that has these names."""
    kept = [entry for entry in node.value if str(entry[0].value) in names]
    return yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark)


def _settings(path: Path, loader: yaml.SafeLoader, node: yaml.Node) -> Settings:
    return settings_of_node(path, loader, node, setting_types(Normalization))


def _configuration(path: Path, name: str, settings: Settings, data: Path, runs: Path) -> FitConfiguration:
    values = {key: setting.value for key, setting in settings.items()}
    # Absolute: `fit --config` would look for the others beside the file that it is given, in the runs.
    values["data"] = str(data.absolute())
    for place, folder in (("initialize_from", runs), ("cache", path.parent)):
        if values.get(place) is not None:
            values[place] = str((folder / values[place]).absolute())
    try:
        return FitConfiguration(**values)
    except SettingError as error:
        line = f", line {settings[error.setting].line}" if error.setting in settings else ""
        raise OptionError(f"{path}{line}: {name}: {error}") from error
    except TypeError as error:  # a setting that has no default
        raise OptionError(f"{path}: {name}: {error}; add it") from error


def _variant(path: Path, line: int, name: str, settings: Settings, networks: dict) -> Variant:
    values = {key: setting.value for key, setting in settings.items()}
    if name in networks or values.get("network") not in networks:
        raise OptionError(
            f"{path}, line {line}: variant {name} needs a name of its own, and network: one of the study's"
        )
    return Variant(**values)


def _in_order(path: Path, networks: dict[str, FitConfiguration], runs: Path) -> dict[str, FitConfiguration]:
    """What others start from comes first; the order of the file else."""
    ordered: dict[str, FitConfiguration] = {}
    waiting = dict(networks)
    while waiting:
        ready = [name for name in waiting if _origin(waiting[name]) in (None, *ordered)]
        if not ready:
            name = next(iter(waiting))
            raise OptionError(
                f"{path}: {name} starts from {_origin(waiting[name])}, which is no network of the study, or "
                "starts from it; name another one"
            )
        ordered |= {name: waiting.pop(name) for name in ready}
    return ordered


def _origin(configuration: FitConfiguration) -> str | None:
    return None if configuration.initialize_from is None else Path(configuration.initialize_from).name


def _check(path: Path, study: Study, plain: Settings, ensembles: Settings) -> None:
    for name, setting in ensembles.items():
        unknown = [member for member in setting.value if member not in study.networks]
        if unknown or len(setting.value) < 2 or name in study.networks:
            raise OptionError(
                f"{path}, line {setting.line}: ensemble {name} needs a name of its own, and two or more "
                "of the study's networks"
            )
    line = plain["compared"].line
    known = {**study.networks, **study.ensembles, **study.variants}
    if unknown := [name for name in study.compared if name not in known]:
        raise OptionError(f"{path}, line {line}: {unknown[0]} is not one of the study")
    if len(set(study.compared)) < max(len(study.compared), 2):
        raise OptionError(f"{path}, line {line}: name two or more to compare, each once")
    if study.checkpoint not in CHECKPOINTS:
        line = plain["checkpoint"].line
        raise OptionError(
            f"{path}, line {line}: checkpoint {study.checkpoint!r}; choose {' or '.join(CHECKPOINTS)}"
        )
