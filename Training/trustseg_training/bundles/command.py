"""The command that repeats a run, as its card tells it."""

from __future__ import annotations

import json
import shlex
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from trustseg_training.configuration import FitConfiguration
from trustseg_training.configuration.relevance import concerns

_PLACES = ("data", "initialize_from", "cache")


def command_line(configuration: FitConfiguration) -> str:
    """Write `trustseg-train fit` with every option that counts and is no default; folders by their name."""
    words = ["trustseg-train", "fit", Path(configuration.data).name]
    for field in fields(configuration):
        value = getattr(configuration, field.name)
        if field.name != "data" and value != _default(field) and concerns(field.name, configuration.family):
            words += _option(field.name, value)
    return shlex.join(words) + " --output RUN"


def _default(field: Field) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, dict) or is_dataclass(value):  # has parts: see `--set`
        content = asdict(value) if is_dataclass(value) else value
        return ["--set", f"{name}={json.dumps(content)}"]
    value = Path(value).name if name in _PLACES else value
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{name.replace('_', '-')}", *("none" if part is None else str(part) for part in values)]
