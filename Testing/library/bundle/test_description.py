"""Valid and invalid content of `model.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from TrustSegLib import bundle
from TrustSegLib.bundle import Code, ModelDescription
from TrustSegLib.errors import BundleError
from TrustSegLib.imaging import Normalization


def test_description_is_restored_from_what_was_written(content: dict[str, Any]) -> None:
    assert ModelDescription.from_dict(content).to_dict() == content


def test_fields_are_written_in_the_order_of_the_class(content: dict[str, Any]) -> None:
    assert json.dumps(ModelDescription.from_dict(content).to_dict()) == json.dumps(content)


def test_values_have_the_types_that_the_library_works_with(description: ModelDescription) -> None:
    first = description.structures[0]
    assert (first.label, first.color) == (1, (230, 159, 0))
    assert first.terminology.category == Code("SCT", "123037004", "Anatomical Structure")
    assert first.terminology.type_modifier == Code("SCT", "255549009", "Anterior")
    assert first.terminology.region is None
    assert description.input.normalization == Normalization("zscore", 0.5, 99.5)
    assert description.training.patients == {"train": 160, "validation": 40}


def test_background_counts_as_a_class(description: ModelDescription) -> None:
    assert description.classes == 3


def test_patch_shape_is_in_the_order_of_arrays(description: ModelDescription) -> None:
    assert description.input.patch_size == (32, 40, 24)
    assert description.patch_shape == (24, 40, 32)


def test_whole_numbers_written_with_a_point_become_integers(content: dict[str, Any]) -> None:
    content["input"]["patch_size"] = [32.0, 40.0, 24.0]
    shape = ModelDescription.from_dict(content).patch_shape
    assert [type(length) for length in shape] == [int, int, int]


def test_schema_is_a_valid_schema() -> None:
    path = Path(bundle.__file__).with_name("model.schema.json")
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


def put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    """Return a function that puts a value at a place of nested containers."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    """Return a function that removes a place of nested containers."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


WRONG = {
    "no name": (drop("name"), "'name' is a required property"),
    "no files": (drop("files"), "'files' is a required property"),
    "name with a folder": (put("name", value="../x"), "name: '../x' does not match"),
    "name with a line break": (put("name", value="x\n"), r"name: 'x\\n' does not match"),
    "unfinished version": (put("version", value="1.0"), "version: '1.0' does not match"),
    "modality that is none": (put("modality", value="mri"), "modality: 'mri' does not match"),
    "no channel": (put("channels", value=[]), r"channels: \[\] should be non-empty"),
    "unknown key": (put("colour", value="red"), "'colour' was unexpected"),
    "no structure": (put("structures", value=[]), r"structures: \[\] should be non-empty"),
    "color of two parts": (
        put("structures", 0, "color", value=[1, 2]),
        r"s\[0\].color: \[1, 2\] is too short",
    ),
    "color over 255": (put("structures", 1, "color", 2, value=256), r"s\[1\].color\[2\]: 256 is greater"),
    "no code": (drop("structures", 0, "terminology", "type"), r"s\[0\].terminology: 'type' is a required"),
    "label 0": (put("structures", 0, "label", value=0), r"structures\[0\].label: 0 is less"),
    "gap in labels": (put("structures", 1, "label", value=3), r"labels \[1, 3\]"),
    "label twice": (put("structures", 1, "label", value=1), r"labels \[1, 1\]"),
    "name twice": (put("structures", 1, "name", value="Anterior hippocampus"), "share the name 'Anterior h"),
    "spacing 0": (put("input", "spacing_mm", 0, value=0), r"input.spacing_mm\[0\]: 0 is less than or equal"),
    "infinite spacing": (put("input", "spacing_mm", 0, value=float("inf")), r"spacing_mm\[0\]: inf is"),
    "axis twice": (put("input", "orientation", value="RAL"), "input.orientation: 'RAL' does not match"),
    "half a voxel": (put("input", "patch_size", 0, value=0.5), r"input.patch_size\[0\]: 0.5 is not of type"),
    "no normalization": (put("input", "normalization", value={}), "normalization: 'method' is a required"),
    "other normalization": (
        put("input", "normalization", "method", value="minmax"),
        "normalization: .*minmax",
    ),
    "unknown family": (put("family", value="laplace"), "family: 'laplace' is not one of"),
    "unknown propagation": (put("propagation", value="fast"), "propagation: 'fast' is not one of"),
    "network that is a list": (put("network", value=[]), r"network: \[\] is not of type 'object'"),
    "no validation patients": (drop("training", "patients", "validation"), "training.patients: 'validation'"),
    "half a patient": (put("training", "patients", "train", value=1.5), "patients.train: 1.5 is not"),
    "no license": (put("license", value=""), "license: '' should be non-empty"),
    "no weights": (drop("files", "weights.safetensors"), "files: 'weights.safetensors' is a required"),
    "no card": (drop("files", "MODEL_CARD.md"), "files: 'MODEL_CARD.md' is a required property"),
    "hash of model.json": (put("files", "model.json", value="0" * 64), "files: 'model.json' does not match"),
    "file elsewhere": (put("files", "../x", value="0" * 64), "files: '../x' does not match"),
    "short hash": (put("files", "MODEL_CARD.md", value="00"), "MODEL_CARD.md.*: '00' does not match"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_refused_by_place_and_reason(case: str, content: dict[str, Any]) -> None:
    change, message = WRONG[case]
    change(content)
    with pytest.raises(BundleError, match=f"^a.trustseg: model.json: .*{message}") as caught:
        ModelDescription.from_dict(content, "a.trustseg: model.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[], None, {}, {"schema": "trustseg-model/2"}, {"schema": "x" * 10_000}])
def test_other_schema_is_named_before_anything_else(content: object) -> None:
    with pytest.raises(BundleError, match=r"schema is .*, not 'trustseg-model/1'; get a model") as caught:
        ModelDescription.from_dict(content)
    assert len(str(caught.value)) < 200


def test_message_quotes_long_content_in_part(content: dict[str, Any]) -> None:
    content["structures"] = ["a\n" * 10_000]
    with pytest.raises(BundleError, match=r"structures\[0\]") as caught:
        ModelDescription.from_dict(content)
    assert len(str(caught.value)) < 400


def test_files_are_empty_by_default(description: ModelDescription) -> None:
    fields = {key: value for key, value in vars(description).items() if key != "files"}
    assert ModelDescription(**fields) == replace(description, files={})
