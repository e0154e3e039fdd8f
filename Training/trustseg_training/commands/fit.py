"""`trustseg-train fit`, whose options are the settings of `FitConfiguration`."""

from __future__ import annotations

import argparse
import json
import types
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from trustseg_training.config import FitConfiguration
from trustseg_training.config.declaration import Declaration, sections
from trustseg_training.config.settings import setting_types
from TrustSegLib.errors import OptionError

SUMMARY = "train a network on a folder of labelled images"

_TYPES = setting_types()
_FIELDS = {field.name: field for field in fields(FitConfiguration)}
_NUMBERS = (int, float)

#: Settings that are no plain numbers, words or lists of them; see `--set`.
STRUCTURED = tuple(name for name, kind in _TYPES.items() if (get_origin(kind) or kind) is dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; an option left out keeps the default of `FitConfiguration`."""
    parser.argument_default = argparse.SUPPRESS  # what is not given is not there: none is a value
    add = parser.add_argument
    text = "settings, as `init` writes them; options override them"
    add("--config", type=Path, metavar="FILE.yaml", help=text)
    add("-o", "--output", type=Path, required=True, help="run folder")
    add(
        "--resume",
        action="store_true",
        default=False,
        help="continue the run in the output folder, which has its settings",
    )
    add(
        "--set",
        action="append",
        type=structured,
        default=[],
        metavar="NAME=JSON",
        help=f"settings with parts: {', '.join(STRUCTURED)}; such as 'label_map={{\"2\": 1}}'",
    )
    for title, settings_of_section in sections(FitConfiguration).items():
        group = parser.add_argument_group(title.lower())
        if title == "Computer":  # no setting: another computer may continue the run
            group.add_argument("--accelerator", default="auto", choices=["auto", "cpu", "gpu"])
        for name, declared in settings_of_section.items():
            if name == "data":
                parser.add_argument("data", nargs="?", help=f"{declared.help}; see `init --help`")
            elif name not in STRUCTURED:
                _add_setting(group, name, declared)


def run(options: argparse.Namespace) -> None:
    """Train, or continue a run."""
    from trustseg_training.training import fit

    configuration = configured(options)
    score = fit(configuration, options.output, resume=options.resume, accelerator=options.accelerator)
    of_regions = " of the regions" if configuration.regions else ""
    print(f"best epoch: mean Dice {score:.3f}{of_regions} on the validation patients; evaluate it with")
    print(f"  trustseg-train evaluate {options.output} --data {configuration.data} -o DIR")


def configured(options: argparse.Namespace) -> FitConfiguration:
    """The configuration of a file or of the run to resume, changed by the other options; or of these alone.

    Raises
    ------
    OptionError
        A value is not valid, or data or structures are named nowhere.
    """
    from trustseg_training.config.settings import FILE, is_run
    from trustseg_training.config.yaml_file import load

    given = settings(options)
    if "config" in options:
        return load(options.config, given)
    if options.resume:
        if not is_run(options.output):
            raise OptionError(
                f"{options.output}: nothing to resume ({FILE} is missing); start without --resume"
            )
        return replace(FitConfiguration.load(options.output), **given)
    for name, field in _FIELDS.items():
        if field.default is field.default_factory is MISSING and name not in given:
            raise OptionError(f"{name}: missing; give it, or a file with --config")
    return FitConfiguration(**given)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line gives."""
    given = {name: value for name, value in vars(options).items() if name in _FIELDS}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return {**given, **dict(options.set)}


def structured(text: str) -> tuple[str, Any]:
    """Read NAME=JSON of `--set`."""
    name, _, value = text.partition("=")
    if name not in STRUCTURED:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(STRUCTURED)}")
    try:
        content = json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: {value!r} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError(f"{name}: give a JSON object, such as {{}}")
    return name, content


def number_or_none(text: str) -> float | None:
    """A number, or the word none."""
    return None if text == "none" else float(text)


def _add_setting(group: argparse._ArgumentGroup, name: str, declared: Declaration) -> None:
    """Add the option of a setting: its name with hyphens, and what its type and declaration say."""
    default = _FIELDS[name].default
    optional, kind, count = _kind(_TYPES[name])
    arguments: dict[str, Any] = {"help": _help(declared, default).replace("%", "%%")}
    if kind in _NUMBERS:
        # Where the default is None, leaving the option out says none.
        arguments["type"] = number_or_none if optional and default is not None else kind
    if count is not None:
        arguments["nargs"] = count
    if declared.rule is not None and declared.rule.choices:
        arguments["choices"] = declared.rule.choices
    else:
        arguments["metavar"] = declared.metavar or {int: "N", float: "X"}.get(kind, "NAME")
    group.add_argument(f"--{name.replace('_', '-')}", **arguments)


def _kind(hint: Any) -> tuple[bool, type, int | str | None]:
    """Whether a value may be None, its type, and how many there are: a number, "+", or None for one alone."""
    parts = get_args(hint)
    if get_origin(hint) is types.UnionType:
        (hint,) = (part for part in parts if part is not types.NoneType)
        return True, *_kind(hint)[1:]
    if get_origin(hint) is tuple:
        return False, parts[0], "+" if parts[-1] is Ellipsis else len(parts)
    return False, hint, None


def _help(declared: Declaration, default: Any) -> str:
    shown = [] if default in (None, MISSING) else [f"default: {_shown(default)}"]
    return "; ".join(filter(None, [declared.help.replace("{none}", "none"), *shown]))


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(map(_shown, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
