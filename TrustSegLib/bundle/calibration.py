"""Checks of `calibration.json`: its schema, and whether it belongs to the model."""

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
    """Check that a calibration can be used with a model.

    Parameters
    ----------
    content : JSON value
        Content of the file.
    description : ModelDescription
        Description of the model.
    where : str
        Name of the file in errors.

    Raises
    ------
    BundleError
        The version of the schema is unknown, the content does not fit it, a number is not finite, a curve
        does not rise, a label is not one of the model's, or its images were of another modality.
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
    """Whether a calibration fitted on one DICOM modality suits a model of another.

    `OT` (other) comes from runs without a modality. It suits all but CT, the only one with absolute
    intensities (HU).
    """
    return fitted_on == modality or (fitted_on == "OT" and modality != "CT")


def _check_modality(content: Any, description: ModelDescription, where: str) -> None:
    fitted_on = content.get("input", {}).get("modality", description.modality)
    if not fits_modality(fitted_on, description.modality):
        found = f"was fitted on {fitted_on}, model {description.name} is for {description.modality}"
        raise BundleError(f"{where}: {found}; use the calibration of this model")
