"""Description of a model: the content of `model.json`, whose schema is `model.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from TrustSegLib.bundle.locator import SIDES, FieldOfView, Locator
from TrustSegLib.contract import MODEL_FILE, MODEL_SCHEMA
from TrustSegLib.errors import BundleError, OptionError
from TrustSegLib.imaging import Normalization

_VALIDATOR = Draft202012Validator(
    json.loads(Path(__file__).with_name("model.schema.json").read_text(encoding="utf-8"))
)

MOST_LABELS = 255
"""Labels of a mask of 8 bits."""


@dataclass(frozen=True)
class Code:
    """A coded concept, such as `("SCT", "123037004", "Anatomical Structure")`."""

    scheme: str
    code: str
    meaning: str


@dataclass(frozen=True)
class Terminology:
    """The codes of a DICOM segment, in the parts of a Slicer terminology entry.

    Attributes
    ----------
    category, type : Code
        Kind of the structure, such as anatomical structure, and the structure itself.
    type_modifier : Code or None
        Such as its side.
    region, region_modifier : Code or None
        Where it lies, if that does not follow from the type.
    """

    category: Code
    type: Code
    type_modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Terminology:
        """Read it from its part of `model.json`."""
        return cls(**{part: Code(**code) for part, code in data.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`, without the parts that are None."""
        return {part: dict(vars(code)) for part, code in vars(self).items() if code is not None}


@dataclass(frozen=True)
class Structure:
    """One segmented structure: its label in the mask, its name, color (red, green, blue; 0-255) and codes."""

    label: int
    name: str
    color: tuple[int, int, int]
    terminology: Terminology

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Structure:
        """Read it from its part of `model.json`."""
        return cls(
            label=int(data["label"]),
            name=data["name"],
            color=tuple(int(part) for part in data["color"]),
            terminology=Terminology.from_dict(data["terminology"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`."""
        return {**vars(self), "color": list(self.color), "terminology": self.terminology.to_dict()}


@dataclass(frozen=True)
class ModelInput:
    """Input of the network.

    Attributes
    ----------
    spacing_mm : tuple of 3 float
        Voxel size along x, y, z in mm.
    orientation : str
        Directions of the x, y and z axes, such as `RAS`.
    normalization : Normalization
        Normalization of the intensities.
    patch_size : tuple of 3 int
        Number of voxels of a patch along x, y, z.
    """

    spacing_mm: tuple[float, float, float]
    orientation: str
    normalization: Normalization
    patch_size: tuple[int, int, int]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelInput:
        """Read it from its part of `model.json`.

        Raises
        ------
        OptionError
            The normalization is not valid.
        """
        return cls(
            spacing_mm=tuple(float(length) for length in data["spacing_mm"]),
            orientation=data["orientation"],
            normalization=Normalization.from_dict(data["normalization"]),
            patch_size=tuple(int(length) for length in data["patch_size"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`."""
        return {
            "spacing_mm": list(self.spacing_mm),
            "orientation": self.orientation,
            "normalization": self.normalization.to_dict(),
            "patch_size": list(self.patch_size),
        }


@dataclass(frozen=True)
class TrainingRecord:
    """Origin of the weights: data and their license, number of patients in each part, command line, seed."""

    data: str
    data_license: str
    patients: Mapping[str, int]
    command: str
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`."""
        return {**vars(self), "patients": dict(self.patients)}


@dataclass(frozen=True)
class ModelDescription:
    """Content of `model.json`.

    Attributes
    ----------
    name, version, description : str
        Short name (letters, digits, `.`, `_`, `-`), three-part version, and a sentence for people.
    modality : str
        DICOM modality, such as `MR`.
    channels : tuple of str
        Name of each input channel, such as `T1`.
    structures : tuple of Structure
        With labels 1, 2, 3 ... in this order; 0 is the background.
    input : ModelInput
        Input of the network.
    family, propagation : str
        Arguments of `TrustSegLib.networks.build`.
    network : Mapping
        Fields of `TrustSegLib.networks.NetworkSpec`; a mapping, so that reading it does not load PyTorch.
    training : TrainingRecord
        Origin of the weights.
    license : str
        License of the weights.
    files : Mapping of str to str
        SHA-256 of every other file of the bundle, filled in by `save_bundle`.
    family_options : Mapping
        Options of `TrustSegLib.networks.build`, such as `temperature`. Not written if there are none, so that
        bundles from before there were any keep their bytes.
    locator : Locator or None
        How the field of view is found in a larger scan; not written if there is none.
    body_parts : tuple of str
        Parts of the body that the headers of its images may state, as in DICOM, such as `HEAD`; any if
        there are none, which are not written.
    """

    name: str
    version: str
    description: str
    modality: str
    channels: tuple[str, ...]
    structures: tuple[Structure, ...]
    input: ModelInput
    family: str
    propagation: str
    network: Mapping[str, Any]
    training: TrainingRecord
    license: str
    files: Mapping[str, str] = field(default_factory=dict)
    family_options: Mapping[str, Any] = field(default_factory=dict)
    locator: Locator | None = None
    body_parts: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes K, background included."""
        return len(self.structures) + 1

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """Number of voxels of a patch as `(D, H, W)`, that is along z, y, x."""
        return self.input.patch_size[::-1]

    @property
    def located_structures(self) -> tuple[Structure, ...]:
        """Structures of all fields of view of the locator, those of the first field first.

        With labels 1, 2, 3 ..., names such as "Left anterior hippocampus" and the side among the codes.
        """
        return tuple(
            _in_field(structure, field_of_view, index * len(self.structures))
            for index, field_of_view in enumerate(self.locator.fields_of_view)
            for structure in self.structures
        )

    @classmethod
    def from_dict(cls, data: Any, where: str = MODEL_FILE) -> ModelDescription:
        """Read it from the content of `model.json`.

        Parameters
        ----------
        data : dict
            Parsed JSON.
        where : str
            Name of the file in errors.

        Raises
        ------
        BundleError
            The content does not fit the schema, its labels or names are not in order, or its normalization is
            unknown.
        """
        check_schema(data, MODEL_SCHEMA, _VALIDATOR, where, "correct it or get the model again")
        _check_structures(data["structures"], where)
        try:
            model_input = ModelInput.from_dict(data["input"])
        except OptionError as error:
            raise BundleError(f"{where}: input.normalization: {error}") from error
        plain = {key: value for key, value in data.items() if key != "schema"}
        converted = {
            "channels": tuple(data["channels"]),
            "structures": tuple(Structure.from_dict(structure) for structure in data["structures"]),
            "input": model_input,
            "training": TrainingRecord(**data["training"]),
            "body_parts": tuple(data.get("body_parts", ())),
        }
        if "locator" in data:
            converted["locator"] = _locator(data, where)
        return cls(**(plain | converted))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `model.json`, in plain JSON types."""
        content = {
            "schema": MODEL_SCHEMA,
            **vars(self),
            "structures": [structure.to_dict() for structure in self.structures],
            "input": self.input.to_dict(),
            "network": dict(self.network),
            "training": self.training.to_dict(),
            "files": dict(self.files),
            "family_options": dict(self.family_options),
        }
        for name in ("family_options", "body_parts"):
            if not content[name]:
                del content[name]
        if self.locator is None:
            del content["locator"]
        else:
            content["locator"] = self.locator.to_dict()
        return json.loads(json.dumps(content))


def _locator(data: Mapping[str, Any], where: str) -> Locator:
    """Read the locator; its atlas is a file of the bundle, and its labels fit into a mask."""
    locator = Locator.from_dict(data["locator"])
    names = [field_of_view.name for field_of_view in locator.fields_of_view]
    if len(set(names)) < len(names):
        raise BundleError(f"{where}: fields of view share a name ({', '.join(names)}); give each its own")
    if len(names) * len(data["structures"]) > MOST_LABELS:
        raise BundleError(
            f"{where}: {len(names)} fields of view have over {MOST_LABELS} structures; use fewer"
        )
    if locator.atlas not in data["files"]:
        raise BundleError(
            f"{where}: locator.atlas {locator.atlas} is not among the files; get the model again"
        )
    return locator


def _check_structures(structures: list[dict[str, Any]], where: str) -> None:
    found = [structure["label"] for structure in structures]
    if found != list(range(1, len(found) + 1)):
        raise BundleError(f"{where}: structures have the labels {found}; number them 1, 2, 3 ... in order")
    names = [structure["name"] for structure in structures]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BundleError(f"{where}: structures share the name {repeated[0]!r}; give each its own")


def check_schema(content: Any, schema: str, validator: Draft202012Validator, where: str, remedy: str) -> None:
    """Check that the content of a file fits its schema.

    Parameters
    ----------
    content : JSON value
        Content of the file.
    schema : str
        Name and version of the schema, which its field `schema` must hold.
    validator : Draft202012Validator
        Validator of that schema.
    where : str
        Name of the file in errors.
    remedy : str
        What to do about a file that does not fit, the end of the error.

    Raises
    ------
    BundleError
        It has another version, or the content does not fit.
    """
    named = content.get("schema") if isinstance(content, dict) else None
    if named != schema:
        raise BundleError(f"{where}: schema is {named!r:.40}, not {schema!r}; get a model for this version")
    error = best_match(validator.iter_errors(content))
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".") or "top level"
        # The message quotes the offending value, which can be a whole file.
        reason = " ".join(error.message.split())[:200]
        raise BundleError(f"{where}: {place}: {reason}; {remedy}")


def _in_field(structure: Structure, field_of_view: FieldOfView, labels_before: int) -> Structure:
    name = structure.name[0].lower() + structure.name[1:] if structure.name[1:2].islower() else structure.name
    terminology = structure.terminology
    if field_of_view.side is not None:
        terminology = _sided(terminology, field_of_view.side)
    return replace(
        structure,
        label=structure.label + labels_before,
        name=f"{field_of_view.name} {name}",
        terminology=terminology,
    )


def _sided(terminology: Terminology, side: str) -> Terminology:
    """Codes with the side: as modifier of the type, or of the region where the type has one already."""
    code, meaning = SIDES[side]
    modifier = replace(terminology.type, scheme="SCT", code=code, meaning=meaning)
    if terminology.type_modifier is None:
        return replace(terminology, type_modifier=modifier)
    return replace(terminology, region=terminology.region or terminology.type, region_modifier=modifier)
