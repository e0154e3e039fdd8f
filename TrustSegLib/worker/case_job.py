"""A case that was segmented before: its image and what lies in its folder, checked against each other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_labels, read_volume
from TrustSegLib.report.files import MASK_FILE, REPORT_FILE


@dataclass(frozen=True, eq=False)
class Case:
    """Image and results of one case.

    Attributes
    ----------
    image : Volume
        `(C, D, H, W)`.
    labels : Volume
        `(1, D, H, W)` uint8.
    maps : dict of str to Volume
        By name, `(1, D, H, W)`.
    report : dict
        Its `report.json`.
    """

    image: Volume
    labels: Volume
    maps: dict[str, Volume]
    report: dict[str, Any]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What goes over as files."""
        maps = {f"map {name}": volume.array[0].astype(np.float32) for name, volume in self.maps.items()}
        return {"image": self.image.array, "labels": self.labels.array[0], **maps}

    def message(self, files: dict[str, str]) -> dict[str, Any]:
        """Fields of the answer; `files` are the names of `arrays`."""
        image = self.image
        return {
            "image": files["image"],
            "shape": list(image.array.shape),
            "dtype": image.array.dtype.str,
            "spacing": list(image.spacing),
            "origin": list(image.origin),
            "direction": list(image.direction),
            "labels": files["labels"],
            "maps": {name: files[f"map {name}"] for name in self.maps},
            "report": self.report,
            "notices": [],
        }


def read_case(image_path: Path, folder: Path) -> Case:
    """Read a case.

    Raises
    ------
    ImageError
        A file is missing or damaged, or the mask is not on the image's grid.
    """
    report, maps = _read_report(folder / REPORT_FILE)
    image, labels = read_volume(image_path), read_labels(folder / MASK_FILE)
    volumes = {name: _read_map(folder / file) for name, file in maps.items()}
    for volume in (labels, *volumes.values()):
        if volume.array.shape[1:] != image.array.shape[1:]:
            raise ImageError(f"{folder}: its results are not of {image_path}; segment it again")
    return Case(image, labels, volumes, report)


def _read_map(path: Path) -> Volume:
    """A map; unlike an image, it may be the same everywhere."""
    try:
        return Volume.from_sitk(sitk.ReadImage(str(path)))
    except (RuntimeError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read; segment the image again") from error


def _read_report(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return report, {str(entry["name"]): Path(entry["file"]).name for entry in report["maps"]}
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}); segment the image again") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ImageError(f"{path}: is no report of TrustSeg; segment the image again") from error
