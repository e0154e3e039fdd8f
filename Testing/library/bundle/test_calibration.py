"""A calibration that cannot be used is refused when its bundle is loaded or saved, in one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from TrustSegLib.bundle import ModelDescription, load_bundle, save_bundle
from TrustSegLib.errors import BundleError

Change = Callable[[dict[str, Any]], object]


def curve(**points: list[float]) -> Change:
    return lambda content: content["error_probability"].update(points)


def quality(**values: object) -> Change:
    return lambda content: content["quality"][0].update(values)


def fact(**values: object) -> Change:
    return lambda content: content["input"]["facts"]["spacing_x"].update(values)


def volume(**values: object) -> Change:
    return lambda content: content["volumes"][0].update(values)


DAMAGES = {
    "no schema": (lambda content: content.pop("schema"), "schema is None, not 'trustseg-calibration/1'"),
    "later schema": (lambda c: c.update(schema="trustseg-calibration/2"), "get a model for this version"),
    "no record": (lambda content: content.pop("record"), "'record' is a required property"),
    "misspelled part": (lambda content: content.update(volume=[]), "'volume' was unexpected"),
    "raw points stand": (curve(raw=[0.0, 0.25, 0.25]), "raw points do not rise"),
    "raw points fall": (curve(raw=[0.0, 0.5, 0.25]), "raw points do not rise"),
    "calibrated points fall": (curve(calibrated=[0.1, 0.3, 0.2]), "calibrated points fall"),
    "points are missing": (curve(raw=[0.0, 0.5]), "2 raw and 3 calibrated points"),
    "one point": (curve(raw=[0.0], calibrated=[0.1]), "error_probability.raw"),
    "no probability": (curve(calibrated=[0.1, 0.3, 1.2]), "1.2 is greater than the maximum"),
    "NaN": (curve(calibrated=[0.1, float("nan"), 0.2]), "NaN is not a JSON number"),
    "other model's volume": (volume(label=3), "label 3 is no structure of model hippocampus-t1"),
    "other model's quality": (quality(label=7), "label 7 is no structure"),
    "background": (volume(label=0), "less than the minimum of 1"),
    "unknown center": (volume(center="median"), "'median' is not one of"),
    "negative floor": (volume(floor_ml=-0.1), "volumes"),
    "volume twice": (lambda content: content["volumes"].append(content["volumes"][0]), "label 1 comes twice"),
    "unknown score": (quality(features=["expected_dice", "entropy"]), "uses 'entropy'"),
    "lists differ": (quality(coefficients=[0.5]), "differ in length"),
    "scale is zero": (quality(scale=[0.05, 0.0]), "a scale is not above 0"),
    "interval upside down": (quality(low=0.2), "quality"),
    "level in percent": (volume(level=90), "volumes"),
    "empty range": (fact(low=2.0), "input: spacing_x is from 2.0 to 1.1, which is not a range"),
    "seen by one end": (fact(seen=[1.0]), "[1.0] is too short"),
    "modality by name": (lambda content: content["input"].update(modality="mr"), "'mr' does not match"),
    "other modality": (lambda content: content["input"].update(modality="CT"), "was fitted on CT, model"),
    "no object": (lambda content: content.update(quality=[[]]), "quality"),
}


@pytest.fixture
def damaged(folder: Path, calibration: dict[str, Any]) -> Callable[[Change], Path]:
    """The bundle with a changed calibration and the SHA-256 that belongs to it."""

    def damage(change: Change) -> Path:
        change(calibration)
        (folder / "calibration.json").write_text(json.dumps(calibration), "utf-8")
        model = json.loads((folder / "model.json").read_text("utf-8"))
        content = (folder / "calibration.json").read_bytes()
        model["files"]["calibration.json"] = hashlib.sha256(content).hexdigest()
        (folder / "model.json").write_text(json.dumps(model), "utf-8")
        return folder

    return damage


@pytest.mark.parametrize("name", DAMAGES)
def test_calibration_that_cannot_be_used_is_refused_on_loading(
    name: str, damaged: Callable[[Change], Path]
) -> None:
    change, message = DAMAGES[name]
    folder = damaged(change)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    text = str(caught.value)
    assert text.startswith(f"{folder}: calibration.json")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("part", ["error_probability", "volumes", "quality", "input"])
def test_each_part_may_be_missing(part: str, damaged: Callable[[Change], Path]) -> None:
    assert part not in load_bundle(damaged(lambda content: content.pop(part))).calibration()


def test_auroc_may_be_null(damaged: Callable[[Change], Path]) -> None:
    assert load_bundle(damaged(quality(failure_auroc=None))).calibration()["quality"][0]["coverage"] == 0.9


@pytest.mark.parametrize("content", [b"null", b"[]", b"\xff", b"{"])
def test_calibration_that_is_no_object_is_refused(
    content: bytes, damaged: Callable[[Change], Path], folder: Path
) -> None:
    damaged(lambda _: None)
    (folder / "calibration.json").write_bytes(content)
    model = json.loads((folder / "model.json").read_text("utf-8"))
    model["files"]["calibration.json"] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(model), "utf-8")
    with pytest.raises(BundleError, match=r"calibration\.json"):
        load_bundle(folder)


def test_calibration_that_cannot_be_used_is_refused_on_saving(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor], calibration: dict[str, Any]
) -> None:
    calibration["volumes"][0]["label"] = 9
    with pytest.raises(BundleError, match="label 9") as caught:
        save_bundle(tmp_path / "model", description, weights, "# Card", calibration=calibration)
    assert str(caught.value).startswith(f"{tmp_path / 'model'}: calibration.json: ")
    assert not list(tmp_path.iterdir())


def test_calibration_may_be_saved_with_tuples(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor], calibration: dict[str, Any]
) -> None:
    calibration["error_probability"]["raw"] = (0.0, 0.1, 0.2)
    bundle = save_bundle(tmp_path / "model", description, weights, "# Card", calibration=calibration)
    assert bundle.calibration()["error_probability"]["raw"] == [0.0, 0.1, 0.2]
