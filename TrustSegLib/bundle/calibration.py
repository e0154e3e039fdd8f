"""`calibration.json`: whether it can be used, said for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from TrustSegLib.bundle.description import ModelDescription
from TrustSegLib.errors import BundleError
from TrustSegLib.uncertainty import Calibration

SCHEMA = "trustseg-calibration/1"

_VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(Path(__file__).with_name("calibration.schema.json").read_text(encoding="utf-8"))
)


def check_calibration(content: Any, description: ModelDescription, where: str) -> None:
    """Make sure that a calibration can be used with a model.

    Parameters
    ----------
    content : JSON values
        Of the file.
    description : ModelDescription
        Of its model.
    where : str
        How an error names the file.

    Raises
    ------
    BundleError
        If the schema's version is not known, the content does not fit it, a number is not finite, a curve
        does not rise, a label is none of the model's, or its images were of another modality.
    """
    _check_schema(content, where)
    try:
        calibration = Calibration.parse(content)
    except ValueError as error:
        raise BundleError(f"{where}: {error}; calibrate the model again") from error
    unknown = sorted(calibration.labels - {structure.label for structure in description.structures})
    if unknown:
        found = f"label {unknown[0]} is no structure of model {description.name}"
        raise BundleError(f"{where}: {found}; use the calibration of this model")
    _check_modality(content, description, where)


def _check_modality(content: Any, description: ModelDescription, where: str) -> None:
    """DICOM's `OT`, other, is a run's that was not told its modality: all but HU are compared alike."""
    found, told = content.get("input", {}).get("modality", description.modality), description.modality
    if found != told and (found != "OT" or told == "CT"):
        reason = f"was fitted on {found}, model {description.name} is for {told}"
        raise BundleError(f"{where}: {reason}; use the calibration of this model")


def _check_schema(content: Any, where: str) -> None:
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        found = f"{schema!r:.40}"
        raise BundleError(f"{where}: schema is {found}, not {SCHEMA!r}; get a model for this version")
    error = best_match(_VALIDATOR.iter_errors(content))
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".") or "top level"
        # The message quotes the offending value, which can be a whole curve.
        reason = " ".join(error.message.split())[:200]
        raise BundleError(f"{where}: {place}: {reason}; calibrate the model again")
