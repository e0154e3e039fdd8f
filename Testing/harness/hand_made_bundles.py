"""Valid contents of a bundle's files, made by hand: small models, and the bundled one without its locator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from source_tree import ROOT

from TrustSegLib.networks import NetworkSpec

BUNDLED = ROOT / "TrustSegLib" / "models" / "hippocampus-t1"


def structure(label: int, name: str, *color: int, modifier: tuple[str, str] | None = None) -> dict[str, Any]:
    """A structure of `model.json`, with the codes of a hippocampus.

    Parameters
    ----------
    label : int
    name : str
    color : int
        Red, green and blue, 0 to 255.
    modifier : tuple of str, optional
        Code and meaning of the type's modifier, in SNOMED CT.
    """
    terminology = {
        "category": _code("123037004", "Anatomical Structure"),
        "type": _code("5366008", "Hippocampus"),
    }
    if modifier is not None:
        terminology["type_modifier"] = _code(*modifier)
    return {"label": label, "name": name, "color": list(color), "terminology": terminology}


def _code(value: str, meaning: str) -> dict[str, str]:
    return {"scheme": "SCT", "code": value, "meaning": meaning}


def model_content(spec: NetworkSpec, patch: tuple[int, int, int], **other: Any) -> dict[str, Any]:
    """Content of a `model.json` for T1-weighted MR; all of it new, so that it may be changed.

    Parameters
    ----------
    spec : NetworkSpec
        Of the network.
    patch : tuple of int
        Voxels along x, y, z.
    other : object
        Values of keys in place of those below.
    """
    return {
        "schema": "trustseg-model/1",
        "name": "tiny",
        "version": "0.1.0",
        "description": "Random weights, for tests.",
        "modality": "MR",
        "channels": ["T1"],
        "structures": [structure(1, "Front", 230, 159, 0), structure(2, "Back", 86, 180, 233)],
        "input": {
            "spacing_mm": [1.0, 1.0, 1.0],
            "orientation": "RAS",
            "normalization": {"method": "zscore", "lower_percentile": 0.5, "upper_percentile": 99.5},
            "patch_size": list(patch),
        },
        "family": "vdp",
        "propagation": "exact",
        "network": spec.to_dict(),
        "training": {
            "data": "none",
            "data_license": "CC0",
            "patients": {"train": 1, "validation": 1},
            "command": "none",
            "seed": 0,
        },
        "license": "CC0",
        "files": {"weights.safetensors": "0" * 64, "MODEL_CARD.md": "1" * 64},
        **other,
    }


def record(patients: int = 40) -> dict[str, Any]:
    """What a calibration was fitted on: clean images, one a patient."""
    return {"data": "none", "patients": patients, "conditions": ["clean"], "cases": patients, "folds": 5}


def volume_interval(label: int = 1, **other: Any) -> dict[str, Any]:
    """An entry of `volumes` in `calibration.json`: 90 % intervals around the mask's volume, in ml."""
    return {
        "label": label,
        "level": 0.9,
        "center": "mask",
        "quantile": 1.0,
        "floor_ml": 0.05,
        "coverage": 0.9,
        "mean_width_ml": 0.2,
        "mean_width_without_uncertainty_ml": 0.3,
        "cases": 40,
        **other,
    }


def expected_dsc(label: int = 1, **other: Any) -> dict[str, Any]:
    """An entry of `quality` in `calibration.json`: expected DSC by two scores of the structure."""
    return {
        "label": label,
        "features": ["expected_dice", "mean_error"],
        "center": [0.9, 0.05],
        "scale": [0.05, 0.02],
        "coefficients": [0.5, -0.2],
        "intercept": 1.8,
        "low": -0.4,
        "high": 0.5,
        "level": 0.9,
        "fail_below": 0.8,
        "cases": 40,
        "coverage": 0.9,
        "mean_absolute_error": 0.03,
        "failure_auroc": 0.98,
        **other,
    }


def without_locator(folder: Path) -> Path:
    """Copy the bundled model so that it takes every image as a crop: a large one then takes long."""
    shutil.copytree(BUNDLED, folder)
    description = json.loads((folder / "model.json").read_text("utf-8"))
    atlas = description.pop("locator")["atlas"]
    del description["files"][atlas]
    (folder / atlas).unlink()
    (folder / "model.json").write_text(json.dumps(description), "utf-8")
    return folder
