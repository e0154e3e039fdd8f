"""Measured parts of a robustness test, a file for each model and case: a stopped test resumes from them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, inference_settings
from TrustSegLib.errors import OutputError, output_error
from TrustSegLib.report.files import write_atomically

from .suite import Protocol

FOLDER = "parts"

#: Increased when the measures change: older parts are measured again.
VERSION = 5

#: Characters that some file system forbids, and the one that quotes them.
_UNSAFE = re.compile(r"""[\x00-\x1f/\\:*?"<>|%]|^\.""")

#: Bytes of a file name; most systems take 255, with ``.json``.
_LONGEST = 240


@dataclass(frozen=True)
class Part:
    """One model and one case under the conditions of one suite.

    Attributes
    ----------
    model, sha256 : str
        Name and hash of the model.
    case, patient : str
        Name of the image and of its patient.
    key : str
        Hash of all that the records depend on, including the files of the case.
    """

    model: str
    sha256: str
    case: str
    patient: str
    key: str

    def path(self, output: Path) -> Path:
        """File of its records."""
        return output / FOLDER / _safe(self.model) / f"{_safe(self.case)}.json"


def part_of(evaluated: EvaluatedModel, case: Case, protocol: Protocol) -> Part:
    """The part of a model and a case.

    Raises
    ------
    ImageError
        A file of the case is missing.
    """
    model = [evaluated.model.sha256, inference_settings(evaluated), sorted(evaluated.label_map.items())]
    others = [[name, each.model.sha256, inference_settings(each)] for name, each in protocol.sources.items()]
    measured = [VERSION, *model, protocol.suite.conditions, protocol.seed, case.identity(), *others]
    key = hashlib.sha256(json.dumps(measured).encode()).hexdigest()
    return Part(evaluated.name, evaluated.model.sha256, case.name, case.patient, key)


def _safe(name: str) -> str:
    """A name as a file name: a case may be named by a path, which would lead out of the folder."""
    plain = name if not _UNSAFE.search(name) else quote(name, safe="", errors="surrogateescape")
    plain = f"%2E{plain[1:]}" if plain.startswith(".") else plain
    if len(os.fsencode(plain)) <= _LONGEST:
        return plain
    return f"{hashlib.sha256(os.fsencode(name)).hexdigest()}-{quote(name, safe='', errors='replace')[-120:]}"


def is_done(part: Part, output: Path) -> bool:
    """Whether its records exist and belong to this model and suite."""
    return (found := read(part, output)) is not None and found["key"] == part.key


def read(part: Part, output: Path) -> dict[str, Any] | None:
    """Content of the file that `write` wrote; None if it is missing or damaged."""
    try:
        found = json.loads(part.path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # it will be measured again
    return found if isinstance(found, dict) and {"key", "records"} <= set(found) else None


def records_of(part: Part, output: Path) -> list[dict[str, Any]]:
    """The records of a part that is done.

    Raises
    ------
    OutputError
        They are missing or damaged, or belong to something else by now.
    """
    found = read(part, output)
    if found is None or found["key"] != part.key:
        wrong = "cannot be read" if found is None else "of other files, models or conditions by now"
        raise OutputError(f"{part.path(output)}: {wrong}; give the same command again to measure it anew")
    return found["records"]


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error, "check folder and free space") from error
    write_atomically(path, f"{text}\n".encode())
