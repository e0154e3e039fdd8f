"""`calibration.json`: whether it can be used, said for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from TrustSegLib.bundle.description import ModelDescription, check_schema
from TrustSegLib.contract import CALIBRATION_SCHEMA
from TrustSegLib.errors import BundleError
from TrustSegLib.uncertainty import Calibration

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
    check_schema(content, CALIBRATION_SCHEMA, _VALIDATOR, where, "calibrate the model again")
    try:
        calibration = Calibration.parse(content)
    except ValueError as error:
        raise BundleError(f"{where}: {error}; calibrate the model again") from error
    unknown = sorted(calibration.labels - {structure.label for structure in description.structures})
    if unknown:
        found = f"label {unknown[0]} is no structure of model {description.name}"
        raise BundleError(f"{where}: {found}; use the calibration of this model")
    _check_modality(content, description, where)


def fits_modality(fitted_on: str, modality: str) -> bool:
    """Whether a calibration serves a model of this DICOM modality.

    `OT`, other, is a run's that was not told its modality: all but HU are compared alike.
    """
    return fitted_on == modality or (fitted_on == "OT" and modality != "CT")


def _check_modality(content: Any, description: ModelDescription, where: str) -> None:
    fitted_on = content.get("input", {}).get("modality", description.modality)
    if not fits_modality(fitted_on, description.modality):
        found = f"was fitted on {fitted_on}, model {description.name} is for {description.modality}"
        raise BundleError(f"{where}: {found}; use the calibration of this model")
