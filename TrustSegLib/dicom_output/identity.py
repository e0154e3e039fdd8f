"""What both objects say of themselves: who made them, from which model, as which series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from highdicom import AlgorithmIdentificationSequence, ContributingEquipment
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from TrustSegLib.version import __version__

MANUFACTURER = "TrustSeg"
_LONGEST = 64  # characters of the DICOM type LO
_LARGEST_NUMBER = 2**31 - 1  # of the DICOM type IS


def long_string(text: str) -> str:
    """Make text fit the DICOM type LO: one line of at most 64 characters without backslashes."""
    return " ".join(text.replace("\\", "/").split())[:_LONGEST]


def new_uid() -> str:
    """Return a new identifier under the root of UUIDs, `2.25.`, which nobody has to register."""
    return str(generate_uid(prefix=None))


def model_name(model: Mapping[str, str]) -> str:
    """Name the algorithm: `TrustSeg NAME VERSION`."""
    return f"{MANUFACTURER} {model['name']} {model['version']}"


def algorithm(model: Mapping[str, str]) -> AlgorithmIdentificationSequence:
    """Identify the algorithm of a segment by name, version and the hash of the model."""
    return AlgorithmIdentificationSequence(
        name=long_string(model_name(model)),
        family=codes.DCM.ArtificialIntelligence,
        version=long_string(model["version"]),
        source=MANUFACTURER,
        parameters={"model_sha256": model["sha256"]},
    )


def series_of_result(
    source: Dataset, model: Mapping[str, str], number: int, description: str, note: str
) -> dict[str, Any]:
    """Return the arguments that every highdicom object takes for series, equipment and text.

    Parameters
    ----------
    source : Dataset
        A header of the source series.
    model : Mapping
        `name`, `version` and `sha256`.
    number : int
        1, 2 ...: which of the results it is.
    description : str
        What the series shows; the model's name is added.
    note : str
        What the reader must know of the content, at most 64 characters.
    """
    return {
        "series_instance_uid": new_uid(),
        "series_number": _series_number(source, number),
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": long_string(model["name"]),
        "software_versions": [__version__, long_string(f"{model['name']} {model['version']}")],
        "device_serial_number": long_string(model["sha256"]),
        "series_description": long_string(f"{description}, {model_name(model)}"),
        "content_description": long_string(note),
        "contributing_equipment": [_equipment(model)],
        # Names in any script: the source's own characters may not hold those of the model.
        "specific_character_set": "ISO_IR 192",
    }


def use_new_dimension_uid(image: Dataset) -> None:
    """Replace the identifier that highdicom makes under its own root."""
    uid = new_uid()
    image.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in image.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid


def _series_number(source: Dataset, number: int) -> int:
    """Return a number that puts the result behind its source: 7 has the results 701, 702."""
    result = 100 * max(0, int(source.get("SeriesNumber") or 0)) + number
    return result if result <= _LARGEST_NUMBER else number


def _equipment(model: Mapping[str, str]) -> ContributingEquipment:
    return ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=long_string(model["name"]),
        software_versions=[__version__, long_string(model["version"])],
        contribution_description=f"Model {model['name']} {model['version']}, SHA-256 {model['sha256']}",
    )
