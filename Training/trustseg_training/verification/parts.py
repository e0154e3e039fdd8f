"""What was measured so far: one file for each model and case, so that a stopped verification goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustseg_training.judging import Subject, passed_through
from TrustSegLib.errors import OutputError

from .suite import Suite

FOLDER = "parts"

#: Raised when what is measured changes: older parts are made again.
VERSION = 3


@dataclass(frozen=True)
class Part:
    """One model and one case under the conditions of one suite.

    Attributes
    ----------
    model, sha256 : str
        Name and hash of the model.
    case, patient : str
        Whose image it is.
    key : str
        Of all that the records depend on.
    """

    model: str
    sha256: str
    case: str
    patient: str
    key: str

    def path(self, output: Path) -> Path:
        """Where its records are."""
        return output / FOLDER / self.model / f"{self.case}.json"


def part_of(
    subject: Subject,
    case: str,
    patient: str,
    suite: Suite,
    seed: int,
    sources: Mapping[str, Subject] | None = None,
) -> Part:
    """The part of a model and a case; ``sources`` are the models that attacks are transferred from."""
    model = [subject.model.sha256, passed_through(subject), sorted(subject.label_map.items())]
    others = [[name, each.model.sha256, passed_through(each)] for name, each in (sources or {}).items()]
    measured = [VERSION, *model, suite.conditions, seed, *others]
    key = hashlib.sha256(json.dumps(measured).encode()).hexdigest()
    return Part(subject.name, subject.model.sha256, case, patient, key)


def is_done(part: Part, output: Path) -> bool:
    """Whether its records are there and of this very model and suite."""
    return (found := read(part, output)) is not None and found["key"] == part.key


def read(part: Part, output: Path) -> dict[str, Any] | None:
    """What `write` wrote; None if it is not there, or damaged."""
    try:
        found = json.loads(part.path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # it is measured again
    return found if isinstance(found, dict) and "key" in found else None


def write(part: Part, records: Iterable[dict[str, Any]], output: Path) -> None:
    """Write the records of a part, whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    path = part.path(output)
    header = {"model": part.model, "sha256": part.sha256, "case": part.case, "patient": part.patient}
    text = json.dumps({**header, "key": part.key, "records": list(records)}, allow_nan=False)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        if temporary.is_file():
            temporary.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror}); make room, then go on") from error
