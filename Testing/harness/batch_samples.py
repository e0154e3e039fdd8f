"""Folders of images and of DICOM series for a batch, one of them broken, and what it leaves on the disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_samples import write_series
from scene_samples import IMAGE

NAMES = ("a.nii.gz", "b.nrrd", "c.nii.gz")
BROKEN = "b.nrrd"
SERIES = ("p1/2024/T1", "p2/2024/T1")
SCOUT = "p2/2024/scout"


def make_folder(
    folder: Path, broken: str | None = BROKEN, repeats: int = 1, repeated: Collection[str] = NAMES
) -> Path:
    """Write the sample, the sample with noise, and one that is no image.

    Parameters
    ----------
    folder : Path
        Is made.
    broken : str or None
        Which one of `NAMES` is no image.
    repeats : int
        How often the images stand side by side, along each axis: for a batch that takes long.
    repeated : collection of str
        Which of `NAMES` do.
    """
    folder.mkdir()
    image = sitk.ReadImage(str(IMAGE))
    for number, name in enumerate(NAMES):
        if name == broken:
            (folder / name).write_text("no image")
        else:
            sitk.WriteImage(_changed(image, number, repeats if name in repeated else 1), str(folder / name))
    return folder


def make_export(folder: Path) -> Path:
    """Write `SERIES`, the sample and the sample with noise, turned, and `SCOUT`, of one slice.

    As a hospital exports them: a folder for each patient, study and series.
    """
    image = sitk.ReadImage(str(IMAGE))
    axes = np.array([[0, 0, 1], [0.96, 0.28, 0], [-0.28, 0.96, 0]])  # sagittal, at right angles
    for number, place in enumerate(SERIES):
        array = sitk.GetArrayFromImage(_changed(image, number, 1))
        write_series(folder / place, array, (1, 1, 1), (5 + number, -3, 20), tuple(axes.ravel()))
    write_series(folder / SCOUT, array[:1])
    return folder


def read_cases(output: Path) -> list[dict]:
    """The cases of `cases.json`, in their order."""
    return json.loads((output / "cases.json").read_text("utf-8"))["cases"]


def csv_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def voxels(path: Path) -> np.ndarray:
    """The voxels of a file, (D, H, W)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def leftovers(output: Path) -> list[str]:
    """Private folders that should be gone."""
    return [path.name for path in output.glob(".*")] if output.exists() else []


def _changed(image: sitk.Image, noise: int, repeats: int) -> sitk.Image:
    array = np.tile(sitk.GetArrayFromImage(image), (repeats, repeats, repeats))
    spread = noise * 0.15 * array.std()
    changed = sitk.GetImageFromArray(array + np.random.default_rng(0).normal(0, spread, array.shape))
    changed.SetSpacing(image.GetSpacing())
    changed.SetOrigin(image.GetOrigin())
    changed.SetDirection(image.GetDirection())
    return sitk.Cast(changed, sitk.sitkFloat32)
