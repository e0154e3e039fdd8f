"""What was measured so far: one file for each model and case, so that a stopped robustness test goes on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trustseg_training.dataset import Case
from trustseg_training.evaluation import EvaluatedModel, inference_settings
from TrustSegLib.errors import OutputError
from TrustSegLib.report.files import write_atomically

from .suite import Suite

FOLDER = "parts"

#: Raised when what is measured changes: older parts are made again.
VERSION = 4

#: What no file name may have, on one system or another, or what stands for such a character already.
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
        Whose image it is.
    key : str
        Of all that the records depend on, the files of the case too.
    """

    model: str
    sha256: str
    case: str
    patient: str
    key: str

    def path(self, output: Path) -> Path:
        """Where its records are."""
        return output / FOLDER / _safe(self.model) / f"{_safe(self.case)}.json"


def part_of(
    subject: EvaluatedModel,
    case: Case,
    suite: Suite,
    seed: int,
    sources: Mapping[str, EvaluatedModel] | None = None,
) -> Part:
    """The part of a model and a case; ``sources`` are the models that attacks are transferred from.

    Raises
    ------
    ImageError
        A file of the case is gone.
    """
    model = [subject.model.sha256, inference_settings(subject), sorted(subject.label_map.items())]
    others = [[name, each.model.sha256, inference_settings(each)] for name, each in (sources or {}).items()]
    measured = [VERSION, *model, suite.conditions, seed, case.identity(), *others]
    key = hashlib.sha256(json.dumps(measured).encode()).hexdigest()
    return Part(subject.name, subject.model.sha256, case.name, case.patient, key)


def _safe(name: str) -> str:
    """A name as that of a file: a case may be named by a path, which would lead out of the folder."""
    plain = name if not _UNSAFE.search(name) else quote(name, safe="", errors="surrogateescape")
    plain = f"%2E{plain[1:]}" if plain.startswith(".") else plain
    if len(os.fsencode(plain)) <= _LONGEST:
        return plain
    return f"{hashlib.sha256(os.fsencode(name)).hexdigest()}-{quote(name, safe='', errors='replace')[-120:]}"


def is_done(part: Part, output: Path) -> bool:
    """Whether its records are there and of this very model and suite."""
    return (found := read(part, output)) is not None and found["key"] == part.key


def read(part: Part, output: Path) -> dict[str, Any] | None:
    """What `write` wrote; None if it is not there, or damaged."""
    try:
        found = json.loads(part.path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # it is measured again
    return found if isinstance(found, dict) and {"key", "records"} <= set(found) else None


def records_of(part: Part, output: Path) -> list[dict[str, Any]]:
    """The records of a part that is done.

    Raises
    ------
    OutputError
        They are not there, or damaged, or of something else by now.
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
        reason = f"cannot be written ({error.strerror})"
        raise OutputError(f"{path}: {reason}; check folder and free space") from error
    write_atomically(path, f"{text}\n".encode())
