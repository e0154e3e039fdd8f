"""The command that repeats a run, as its card tells it."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

from .configuration import FitConfiguration

_PLACES = ("data", "initialize_from")


def command_line(configuration: FitConfiguration) -> str:
    """Write `trustseg-train fit` with every option that is not the default; folders by their last name."""
    words = ["trustseg-train", "fit", Path(configuration.data).name]
    for field in fields(configuration):
        value = getattr(configuration, field.name)
        if field.name == "data" or value == field.default or field.name == "orientation":
            continue
        value = Path(value).name if field.name in _PLACES else value
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{field.name.replace('_', '-')}", *(str(part) for part in values)]
    return shlex.join(words) + " --output RUN"
