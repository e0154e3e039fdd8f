"""What is asked for, what was decided, and what is left to say: ``plan.json`` in the work folder.

The folder stands beside the model and has its name with ``-work``. With the record, the same command finds
out what is done already; it is written when the plan is made, and once more after the calibration.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from trustseg_training.dataset import list_cases
from TrustSegLib.errors import OptionError
from TrustSegLib.report.files import write_atomically

FILE = "plan.json"

#: Further names in the work folder: the evaluation, and the details that `export` takes.
EVALUATION, DETAILS = "evaluation", "details.json"


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes
    ----------
    data : Path
        Data set; see `dataset.find_cases`.
    output : Path
        Bundle folder to write.
    minutes : float
        Budget.
    name : str or None
        Of the model; that of the folder by default.
    modality : str or None
        DICOM's; as the data say by default.
    """

    data: Path
    output: Path
    minutes: float
    name: str | None = None
    modality: str | None = None

    @property
    def work(self) -> Path:
        """Folder of everything that is not the model."""
        return self.output.with_name(f"{self.output.name}-work")


@dataclass(frozen=True)
class Record:
    """A plan that was made.

    Attributes
    ----------
    data, minutes, name
        Of the request; the data with their whole path.
    modality : str or None
        As asked for, or as the data say.
    files : str
        Digest of names and sizes of all files of the data set.
    cases : int
        Validation images of the calibration.
    validation : int
        Images that validate.
    seconds : dict of str to float
        Expected, by step.
    warnings : tuple of str
        What the data, the plan or the calibration give reason for.
    left_out : tuple of str or None
        Parts of the calibration that are missing, each with its reason; None before the calibration.
    """

    data: str
    minutes: float
    name: str | None
    modality: str | None
    files: str
    cases: int
    validation: int
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] | None = None

    def save(self, work: Path) -> None:
        """Write it, whole or not at all."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        write_atomically(work / FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, work: Path) -> Record | None:
        """Read it; None where no plan was finished.

        Raises
        ------
        OptionError
            The file is damaged.
        """
        path = work / FILE
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name: values[field.name] for field in fields(cls)}
            left_out = known["left_out"]
            return replace(
                cls(**known),
                warnings=tuple(known["warnings"]),
                left_out=None if left_out is None else tuple(left_out),
                seconds={str(name): float(value) for name, value in known["seconds"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OptionError(
                f"{path}: not a plan ({error!r}); restore it, or remove {work} to start over"
            ) from error

    def check(self, request: Request) -> None:
        """Refuse another request than that of the plan.

        Raises
        ------
        OptionError
            Saying what differs and what to do.
        """
        asked = {
            "data": str(request.data.resolve()),
            "budget": request.minutes,
            "name": request.name,
            "modality": request.modality or self.modality,
        }
        begun = {
            "data": self.data,
            "budget": self.minutes,
            "name": self.name,
            "modality": self.modality,
        }
        remedy = f"repeat it so, choose another output, or remove {request.work} to start over"
        for word, value in asked.items():
            if value != begun[word]:
                before = f"{begun[word]:g} minutes" if word == "budget" else begun[word] or "none"
                raise OptionError(f"{request.output}: was begun with another {word}, {before}; {remedy}")
        if files_digest(request.data) != self.files:
            raise OptionError(
                f"{request.data}: its files have changed since {request.output} was begun; bring them back, "
                f"choose another output, or remove {request.work} to start over"
            )


def write_details(request: Request, record: Record) -> None:
    """Write what `export` shall know beside the run: name and modality, where they are known."""
    known = {"name": record.name, "modality": record.modality}
    text = json.dumps({key: value for key, value in known.items() if value is not None}, indent=2)
    write_atomically(request.work / DETAILS, f"{text}\n".encode())


def files_digest(data: Path) -> str:
    """Digest of names and sizes of all images and labels that are there; not of their times.

    Raises
    ------
    ImageError
        The data set as a whole cannot be used.
    """
    cases, _ = list_cases(data)
    named = sorted((case.name, *(entry[:2] for entry in case.identity())) for case in cases)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()
