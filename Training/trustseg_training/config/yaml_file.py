"""Configurations as YAML files that people read and change: every mistake is named with its line."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Union, get_args, get_origin

import yaml

from trustseg_training import presets
from TrustSegLib.bundle import known_models
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization

from .declaration import SettingError
from .settings import PLACES, FitConfiguration, setting_types


@dataclass(frozen=True)
class Setting:
    """A value of a YAML file and the line, counted from 1, on which it stands."""

    value: object
    line: int


def load(path: Path, overrides: dict[str, object] | None = None) -> FitConfiguration:
    """Read a configuration.

    Parameters
    ----------
    path : Path
        YAML file, a mapping of the settings of `FitConfiguration`. Relative places of the data, a cache and a
        network to start from begin at the file's folder.
    overrides : dict, optional
        Settings that override those of the file.

    Raises
    ------
    OptionError
        The file cannot be read, or a setting is unknown, missing, twice in it or has a bad value: with file,
        line and what is allowed.
    """
    settings, overrides = read_settings(path), overrides or {}
    values = {name: setting.value for name, setting in settings.items()}
    for name in PLACES:
        if values.get(name) is not None:
            values[name] = _placed(name, values[name], path.parent)
    values |= overrides
    for name in ("data", "structures"):
        if name not in values:
            raise OptionError(f"{path}: {name} is missing; add it")
    try:
        return FitConfiguration(**values)
    except SettingError as error:
        if error.setting in overrides:
            raise
        line = f", line {settings[error.setting].line}" if error.setting in settings else ""
        raise OptionError(f"{path}{line}: {_with_own_name(error)}") from error


def _placed(name: str, value: str, folder: Path) -> str:
    """A place as seen from the file's folder; a model that is known by its name stays that."""
    place = folder / value
    if name == "initialize_from" and value in known_models() and not place.exists():
        return value
    return str(place)


def read_settings(path: Path, more: dict[str, type] | None = None) -> dict[str, Setting]:
    """Read the settings of a YAML file, each of the type that it has in `FitConfiguration` or in ``more``.

    Raises
    ------
    OptionError
        As `load`; but no setting is missing, and their values are not compared with each other.
    """
    known = {**setting_types(Normalization), **(more or {})}
    with opened(path) as (loader, node):
        return settings_of_node(path, loader, node, known)


@contextmanager
def opened(path: Path) -> Iterator[tuple[yaml.SafeLoader, yaml.Node | None]]:
    """A YAML file as a node that knows its lines, and the loader that makes values of its parts.

    Raises
    ------
    OptionError
        The file cannot be read, or is not YAML; also if this is found while its values are made.
    """
    loader = yaml.SafeLoader(_text(path))
    try:
        yield loader, loader.get_single_node()
    except yaml.YAMLError as error:
        raise _not_yaml(path, error) from error
    finally:
        loader.dispose()


def settings_of_node(
    path: Path, loader: yaml.SafeLoader, node: yaml.Node | None, known: dict[str, object]
) -> dict[str, Setting]:
    """The settings of a mapping, each of the type that ``known`` has for it.

    Raises
    ------
    OptionError
        The node is no mapping, or a setting is unknown, twice in it or has a bad value: with file and line.
    """
    settings = {}
    for name, line, part in entries(path, node):
        if name not in known:
            raise OptionError(f"{path}, line {line}: unknown setting {name!r}; {_near(name, known)}")
        value = loader.construct_object(part, deep=True)
        settings[name] = Setting(_converted(path, line, name, value, known[name]), line)
    return settings


def settings_of_preset(name: str) -> dict[str, object]:
    """The settings of a preset, and ``kl_factor`` where the divergence was weighted so.

    ``kl_factor * KL`` stands beside a mean over voxels, so that `FitConfiguration` needs
    ``kl_weight = kl_factor * images * voxels``, which depends on the data.

    Raises
    ------
    OptionError
        There is none of this name.
    """
    settings = read_settings(presets.path_of(name), more={"kl_factor": float})
    return {key: setting.value for key, setting in settings.items()}


def to_yaml(value: object) -> str:
    """One value as YAML writes it, on one line."""
    if isinstance(value, Normalization):
        value = value.to_dict()
    plain = _plain(value)
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: cannot be read ({error}); give a YAML file in UTF-8") from error


def entries(path: Path, node: yaml.Node | None) -> list[tuple[str, int, yaml.Node]]:
    """Name, line and value of every entry of a mapping; none of an empty file.

    Raises
    ------
    OptionError
        The node is no mapping, or a name is twice in it.
    """
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise OptionError(f"{path}, line {line}: not a mapping; write one `setting: value` per line")
    _refuse_repeated(path, node)
    return [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]


def _refuse_repeated(path: Path, node: yaml.MappingNode) -> None:
    """YAML forbids a key that stands twice in a mapping, but PyYAML would let the last one hold."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise OptionError(f"{path}, line {line}: {name} stands on line {lines[name]} already; keep one")
        lines[name] = line
        if isinstance(value, yaml.MappingNode):
            _refuse_repeated(path, value)


def _converted(path: Path, line: int, name: str, value: object, hint: object) -> object:
    try:
        return convert(value, hint)
    except (ValueError, OptionError) as error:
        raise OptionError(f"{path}, line {line}: {name} is {value!r}; {error}") from error


def _near(name: str, known: dict[str, object]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"


def _not_yaml(path: Path, error: yaml.YAMLError) -> OptionError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
    return OptionError(f"{where}: not YAML ({getattr(error, 'problem', None) or error}); fix it")


def _with_own_name(error: SettingError) -> str:
    """The files have underscores where the command line has hyphens."""
    return str(error).replace(error.setting.replace("_", "-"), error.setting, 1)


def convert(value: object, hint: object) -> object:
    """Bring a value to a type.

    Parameters
    ----------
    value : object
        Of the kinds that YAML knows.
    hint : type
        str, int, float, `Normalization`, or a tuple, dict or union of these.

    Raises
    ------
    ValueError
        Saying what is needed.
    OptionError
        Likewise, for a normalization.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return _one_of(value, parts)
    if origin is tuple:
        return _tuple(value, parts)
    if origin is dict:
        return _dict(value, parts)
    if hint is Normalization:
        return _normalization(value)
    return _scalar(value, hint)


def _one_of(value: object, kinds: tuple) -> object:
    if types.NoneType in kinds:
        if value is None:
            return None
        kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
    # A number stays whole if it may: int stands before float.
    for kind in kinds[:-1]:
        try:
            return convert(value, kind)
        except ValueError:
            continue
    return convert(value, kinds[-1])


def _tuple(value: object, parts: tuple) -> tuple:
    any_length = parts[-1] is Ellipsis
    if not isinstance(value, list) or not (any_length or len(value) == len(parts)):
        raise ValueError(f"a list {'' if any_length else f'of {len(parts)} '}is needed, such as [a, b, c]")
    return tuple(convert(part, parts[0]) for part in value)


def _dict(value: object, parts: tuple) -> dict:
    if not isinstance(value, dict):
        raise ValueError("a mapping is needed, such as {a: 1, b: 2}")
    return {convert(key, parts[0]): convert(part, parts[1]) for key, part in value.items()}


def _normalization(value: object) -> Normalization:
    if not isinstance(value, dict):
        raise ValueError("a mapping is needed, such as {method: zscore}")
    return Normalization.from_dict(value)


def _scalar(value: object, kind: type) -> object:
    if kind is float:
        return _float(value)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ValueError("a whole number is needed" if kind is int else "text is needed, perhaps in quotes")
    return value


def _float(value: object) -> float:
    """YAML 1.1, which PyYAML reads, takes 1e-3 for text: its numbers with an exponent need a point."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number is needed")
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number is needed") from None
