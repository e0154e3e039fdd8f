"""Images of the repository in a scene, and results that no worker made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from source_tree import ROOT

IMAGE = ROOT / "TrustSeg" / "Resources" / "SampleData" / "hippocampus_223.nii.gz"
LABELS = ROOT / "TrustSeg" / "Resources" / "SampleData" / "hippocampus_223_label.nii.gz"
MODEL = json.loads((ROOT / "TrustSegLib" / "models" / "hippocampus-t1" / "model.json").read_text("utf-8"))


@dataclass(frozen=True)
class MadeUpAnswer:
    """The parts of a worker's result that the module uses."""

    labels: np.ndarray
    maps: dict[str, np.ndarray]
    report: dict[str, Any]


def load_volume(scene, path: Path = IMAGE, name: str = "MR", kind: str = "Scalar"):
    """Load an image file as the application does."""
    node = scene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", name)
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    node.SetAndObserveStorageNodeID(storage.GetID())
    if not storage.ReadData(node):
        raise OSError(f"{path}: cannot be read")
    node.CreateDefaultDisplayNodes()
    return node


def made_up_result(labels: np.ndarray, *more_maps: str) -> MadeUpAnswer:
    """Return a result whose error probability is high at the edge of the mask, and 0 far from it.

    Parameters
    ----------
    labels : ndarray (D, H, W)
    more_maps : str
        Names of maps besides "error_probability", with the same values.
    """
    values = _error_probability(labels.shape, (labels > 0).tobytes())
    maps = {name: values.copy() for name in ("error_probability", *more_maps)}
    return MadeUpAnswer(labels.astype(np.uint8), maps, made_up_report(labels))


def sample_result(*more_maps: str) -> MadeUpAnswer:
    """Return a result for `IMAGE`: the experts' mask."""
    return made_up_result(sitk.GetArrayFromImage(sitk.ReadImage(str(LABELS))), *more_maps)


@lru_cache(maxsize=8)
def _error_probability(shape: tuple[int, ...], inside: bytes) -> np.ndarray:
    mask = sitk.GetImageFromArray(np.frombuffer(inside, np.uint8).reshape(shape))
    edge = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(mask, squaredDistance=False))
    return (0.5 * np.exp(-(edge**2) / 3)).astype(np.float32)


def made_up_report(labels: np.ndarray) -> dict[str, Any]:
    """Return a report as the library writes it, with characters that a scene file must survive."""
    rows = [
        {
            "label": structure["label"],
            "name": structure["name"],
            "volume_ml": float((labels == structure["label"]).sum()) / 1000,
            "volume_interval_ml": None,
            "mean_uncertainty": 0.1,
            "expected_dsc": None,
            "flag": None,
        }
        for structure in MODEL["structures"]
    ]
    return {
        "schema": "trustseg-report/1",
        "image": 'Müller; "head" : <1>\n%20.nii',
        "structures": rows,
        "calibration": None,
        "case": {"quality": None, "warnings": ["not calibrated; 5 %"]},
    }
