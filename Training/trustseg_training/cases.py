"""Labelled patients of a data set in the Medical Segmentation Decathlon's layout."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_labels, read_volume

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Case:
    """One patient: an image, its label and the set it belongs to."""

    name: str
    image: Path
    label: Path
    split: str

    def read(self, classes: int) -> tuple[Volume, Volume]:
        """Read image and label and check that they fit together.

        Raises
        ------
        ImageError
            The grids differ, the image has several channels, or a label value is not one of 0 .. classes - 1.
        """
        image, label = read_volume(self.image), read_labels(self.label)
        if image.channels != 1:
            raise ImageError(f"{self.image}: {image.channels} channels; training takes images of one")
        if not image.same_grid(label):
            raise ImageError(
                f"{self.label}: not on the grid of {self.image.name}; resample one onto the other"
            )
        values = np.unique(label.array)
        if values.min() < 0 or values.max() >= classes:
            raise ImageError(
                f"{self.label}: label values {values.tolist()}, but the model has 0 to {classes - 1}; "
                "name every structure with --structures"
            )
        return image, label


def find_cases(data: Path) -> list[Case]:
    """List the patients of ``splits.csv`` with their files.

    Parameters
    ----------
    data : Path
        Folder with ``imagesTr``, ``labelsTr`` and ``splits.csv`` (columns ``case`` and ``split``, which is
        ``train`` or ``val``). One row is one patient.

    Raises
    ------
    ImageError
        A file is missing, a patient stands in the list twice, or a set is empty.
    """
    table = data / "splits.csv"
    if not table.is_file():
        raise ImageError(f"{table}: not found; list every patient in it, with columns case and split")
    rows = _read_table(table)
    if not rows or not {"case", "split"} <= set(rows[0]):
        raise ImageError(f"{table}: needs the columns case and split and at least one row")
    twice = [name for name, count in Counter(row["case"] for row in rows).items() if count > 1]
    if twice:
        raise ImageError(
            f"{table}: patient {twice[0]} stands in it more than once; a patient has one set only"
        )
    cases = [_case(data, table, row["case"], row["split"]) for row in rows]
    for split in SPLITS:
        if not any(case.split == split for case in cases):
            raise ImageError(f"{table}: no patient has split {split}; both {' and '.join(SPLITS)} are needed")
    return cases


def _read_table(table: Path) -> list[dict[str, str]]:
    try:
        # utf-8-sig: spreadsheets write a byte order mark, which would become part of the first column's name.
        with table.open(newline="", encoding="utf-8-sig") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{table}: cannot be read ({error}); save it as CSV in UTF-8") from error


def _case(data: Path, table: Path, name: str, split: str) -> Case:
    if split not in SPLITS:
        raise ImageError(f"{table}: patient {name} has split {split!r}; use {' or '.join(SPLITS)}")
    image, label = (data / folder / f"{name}.nii.gz" for folder in ("imagesTr", "labelsTr"))
    for path in (image, label):
        if not path.is_file():
            raise ImageError(f"{path}: not found, but {table.name} lists {name}")
    return Case(name, image, label, split)
