"""What was reached, in a few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from trustseg_training.evaluation.evaluation import SUMMARY
from trustseg_training.formatting import count, share
from TrustSegLib.bundle import load_bundle
from TrustSegLib.contract import DEFAULT_MAP, calibration_sentence
from TrustSegLib.errors import OptionError
from TrustSegLib.uncertainty import Calibration

from .record import EVALUATION, Record, Request

#: Words for the parts of a calibration.
_PARTS = {
    DEFAULT_MAP: "error probability",
    "volumes": "volume intervals",
    "quality": "expected Dice",
    "input": "input check",
}


def summary(request: Request, record: Record) -> Iterator[str]:
    """Dice, calibration, what is not calibrated, warnings, and how the model is used.

    Parameters
    ----------
    request : Request
        Of a model that is finished.
    record : Record
        After the calibration.

    Raises
    ------
    OptionError
        The evaluation is gone or damaged.
    BundleError
        The bundle is damaged.
    """
    bundle = load_bundle(request.output)
    names = {structure.label: structure.name for structure in bundle.description.structures}
    yield _dice_line(request)
    content = bundle.calibration()
    yield from _calibration_lines(content or {}, names)
    checked = None if content is None else Calibration.parse(content).summary(bundle.description.structures)
    yield calibration_sentence(checked) or "Every part is calibrated."
    yield from (f"  {_worded(reason)}" for reason in record.left_out or ())
    for warning in record.warnings:
        yield f"warning: {warning}"
    yield f"{request.output}: the model; read its MODEL_CARD.md, and use it by"
    yield f"  trustseg segment scan.nii.gz -o results --model {request.output}"


def _worded(reason: str) -> str:
    """A reason of `calibration.Fitted`, whose parts have the names of the file, with words for them."""
    part, found, why = reason.partition(" left out: ")
    return f"{_PARTS[part]} ({why})" if found and part in _PARTS else reason


def _dice_line(request: Request) -> str:
    path = request.work / EVALUATION / SUMMARY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["summary"]
        dice = {name: measures["dice"] for name, measures in found.items()}
        patients = max(each["patients"] for each in dice.values())
        values = ", ".join(f"{name} {share(each['mean'])}" for name, each in dice.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"{path}: not an evaluation ({error!r}); remove it and the model, and repeat"
        ) from error
    return f"Dice, mean of {count(patients, 'validation patient')}: {values}"


def _calibration_lines(content: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    """Of patients that were left out, clean and corrupted; one structure after the other."""
    found = []
    if DEFAULT_MAP in content:
        found.append(f"ECE near the structures {share(content[DEFAULT_MAP].get('ece_after'))}")
    if covered := [part for part in content.get("volumes", ()) if part["label"] in names]:
        values = " / ".join(f"{part['coverage']:.0%}" for part in covered)
        found.append(f"90 % volume intervals hold {values}")
    if expected := content.get("quality", ()):
        values = " / ".join(share(part["mean_absolute_error"]) for part in expected)
        found.append(f"expected Dice is off by {values}")
    if found:
        yield f"calibration, clean and corrupted images of patients left out: {', '.join(found)}"
