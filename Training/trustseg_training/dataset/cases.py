"""Labelled images of a data set: a folder as of the Medical Segmentation Decathlon, or a CSV file.

Folder: ``imagesTr/NAME.nii.gz`` (several channels in the fourth dimension, or in ``NAME_0000.nii.gz``,
``NAME_0001.nii.gz``, ...) and ``labelsTr/NAME.nii.gz``; if it is there, ``splits.csv`` with the columns
``case``, ``split`` and, where patients have several images, ``patient``; if it is there, ``dataset.json``
with the names of channels and structures.

CSV file: columns ``image``, or ``image_CHANNEL`` for each channel, and ``label``, with paths that are
absolute or start at the file's folder; optional ``case``, ``patient`` and ``split``.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.image_files import ITK_READERS, suffix_of

from .tables import read_table

SPLITS = ("train", "val", "test")
_OTHER_WORDS = {"training": "train", "validation": "val", "testing": "test"}
SPLIT_TABLE = "splits.csv"
_CHANNEL_FILE = re.compile(r"(.+)_(\d{4})")


class DatasetError(ImageError):
    """Files of a data set cannot be used; ``problems`` has one line for each."""

    def __init__(self, data: Path, problems: list[str]) -> None:
        self.problems = problems
        several = [f"{data}: {len(problems)} problems", *problems]
        super().__init__(problems[0] if len(problems) == 1 else "\n  ".join(several))


@dataclass(frozen=True)
class Case:
    """One labelled image of one patient.

    Attributes
    ----------
    name : str
        Of the image, each name once.
    images : tuple of Path
        One file with all channels, or one file per channel.
    label : Path
        On the same grid.
    patient : str
        Whose image it is.
    split : str or None
        One of `SPLITS`, or None where the data say nothing.
    channels : tuple of str
        Names of the channels, if the data say them.
    """

    name: str
    images: tuple[Path, ...]
    label: Path
    patient: str
    split: str | None = None
    channels: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Images and label."""
        return (*self.images, self.label)

    def identity(self) -> list[tuple[str, int, int]]:
        """Name, size and time of every file: what distinguishes them from later versions, wherever they lie.

        Raises
        ------
        ImageError
            A file is gone, or cannot be reached.
        """
        return [_identity(file) for path in self.files for file in _files_in(path)]


def find_cases(data: Path) -> list[Case]:
    """List the images of a data set with their files.

    Parameters
    ----------
    data : Path
        Folder or CSV file, see this module.

    Raises
    ------
    DatasetError
        Files are missing, an image stands in the list twice or a patient in two sets; every such file.
    ImageError
        The folder or the table is not in its form.
    """
    cases, problems = list_cases(data)
    if problems:
        raise DatasetError(data, problems)
    return cases


def list_cases(data: Path) -> tuple[list[Case], list[str]]:
    """As `find_cases`, but with the usable cases and one line per problem instead of an error."""
    if data.is_dir():
        cases = _cases_of_folder(data)
    elif data.suffix.lower() == ".csv":
        cases = _cases_of_table(data)
    else:
        raise ImageError(f"{data}: not a data set; give a folder with imagesTr and labelsTr, or a CSV file")
    if not cases:
        raise ImageError(f"{data}: no labelled image; see `trustseg-train init --help` for its layout")
    problems = [*_repeated(data, cases), *_patients_in_two_splits(data, cases)]
    whole = []
    for case in cases:
        lacking = [path for path in case.files if not path.exists()]
        problems += [f"{path}: not found, but {case.name} needs it" for path in lacking]
        whole += [] if lacking else [case]
    return whole, problems


def _cases_of_folder(data: Path) -> list[Case]:
    for folder in ("imagesTr", "labelsTr"):
        if not (data / folder).is_dir():
            raise ImageError(f"{data / folder}: not found; a data set has imagesTr and labelsTr")
    labels = _by_name(data / "labelsTr")
    images = _images(data / "imagesTr", set(labels))
    table = data / SPLIT_TABLE
    if table.is_file():
        rows = read_table(table, ("case", "split"))
    else:
        rows = [{"case": name} for name in sorted({*images, *labels})]
    channels = read_names(data).channels
    return [
        Case(
            name=row["case"],
            images=images.get(row["case"], (data / "imagesTr" / f"{row['case']}.nii.gz",)),
            label=labels.get(row["case"], data / "labelsTr" / f"{row['case']}.nii.gz"),
            patient=row.get("patient") or row["case"],
            split=_split(table, row["case"], row["split"]) if "split" in row else None,
            channels=channels,
        )
        for row in rows
    ]


def _by_name(folder: Path) -> dict[str, Path]:
    """Image files by name without suffix; hidden ones are leftovers of an archive, not images."""
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return {path.name[: -len(suffix)]: path for path in files if (suffix := suffix_of(path)) in ITK_READERS}


def _images(folder: Path, labelled: set[str]) -> dict[str, tuple[Path, ...]]:
    """The files of every image: one, or one per channel if the name without channel is a label's."""
    channels: defaultdict[str, list[Path]] = defaultdict(list)
    for name, path in _by_name(folder).items():
        match = _CHANNEL_FILE.fullmatch(name)
        of_channel = match and name not in labelled and match[1] in labelled
        channels[match[1] if of_channel else name].append(path)
    return {name: tuple(paths) for name, paths in channels.items()}


def _cases_of_table(table: Path) -> list[Case]:
    rows = read_table(table, ("label",))
    columns = [name for name in rows[0] if name == "image" or name.startswith("image_")]
    if not columns or ("image" in columns and len(columns) > 1):
        raise ImageError(f"{table}: needs a column image, or one column image_CHANNEL for each channel")
    names = _names(rows, columns[0])
    channels = tuple(column.removeprefix("image_") for column in columns if column != "image")
    return [
        Case(
            name=name,
            images=tuple(table.parent / row[column] for column in columns),
            label=table.parent / row["label"],
            patient=row.get("patient") or name,
            split=_split(table, name, row["split"]) if "split" in row else None,
            channels=channels,
        )
        for name, row in zip(names, rows, strict=True)
    ]


def _names(rows: list[dict[str, str]], column: str) -> list[str]:
    """Of the column ``case``, or of the image files, with their folders where the names alone are equal."""
    if "case" in rows[0]:
        return [row["case"] for row in rows]
    paths = [Path(row[column]) for row in rows]
    short = [path.name.removesuffix(suffix_of(path) or "") for path in paths]
    if len(set(short)) == len(short):
        return short
    return [path.as_posix().removesuffix(suffix_of(path) or "") for path in paths]


def _files_in(path: Path) -> list[Path]:
    """The file itself, or those of a folder with a DICOM series."""
    return sorted(path.iterdir()) if path.is_dir() else [path]


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise ImageError(f"{path}: cannot be reached ({error.strerror}); check the data set") from error
    return path.name, found.st_size, found.st_mtime_ns


def _split(table: Path, name: str, split: str) -> str:
    known = _OTHER_WORDS.get(split.lower(), split.lower())
    if known not in SPLITS:
        raise ImageError(f"{table}: {name} has split {split!r}; use one of {', '.join(SPLITS)}")
    return known


def _repeated(data: Path, cases: list[Case]) -> list[str]:
    names = Counter(case.name for case in cases)
    return [f"{data}: patient {name} stands in it more than once" for name, n in names.items() if n > 1]


def _patients_in_two_splits(data: Path, cases: list[Case]) -> list[str]:
    splits: defaultdict[str, dict[str | None, str]] = defaultdict(dict)
    for case in cases:
        splits[case.patient].setdefault(case.split, case.name)
    return [
        f"{data}: patient {patient} is in two sets ({', '.join(f'{n} in {s}' for s, n in own.items())}); "
        "a patient has one set only"
        for patient, own in splits.items()
        if len(set(own.values())) > 1
    ]


FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetNames:
    """Names as the data set gives them; empty where it gives none.

    Attributes
    ----------
    channels : tuple of str
        In the order of the files.
    structures : dict of int to str
        By value in the label files, without the background.
    """

    channels: tuple[str, ...] = ()
    structures: dict[int, str] | None = None


def read_names(folder: Path) -> DatasetNames:
    """Read ``dataset.json`` of the Medical Segmentation Decathlon or of nnU-Net; no names without it.

    Raises
    ------
    ImageError
        The file is there but not understood.
    """
    path = folder / FILE
    if not path.is_file():
        return DatasetNames()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        channels = content.get("modality") or content.get("channel_names") or {}
        labels = _by_value(content.get("labels") or {})
        ordered = tuple(str(channels[key]) for key in sorted(channels, key=int))
        return DatasetNames(ordered, {value: name for value, name in sorted(labels.items()) if value})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ImageError(f"{path}: not understood ({error}); fix it, or remove it") from error


def _by_value(labels: dict) -> dict[int, str]:
    """Labels are written as {"1": "liver"} by the Decathlon and as {"liver": 1} by nnU-Net."""
    if all(str(key).isdigit() for key in labels):
        return {int(value): str(name) for value, name in labels.items()}
    regions = [name for name, value in labels.items() if not isinstance(value, int)]
    if regions:
        raise ValueError(f"label {regions[0]!r} is a region; give each label one whole number")
    return {value: str(name) for name, value in labels.items()}
