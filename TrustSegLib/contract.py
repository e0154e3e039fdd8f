"""What library, worker, Slicer module and training agree on: file names, schemas, maps, what is calibrated.

Standard library only: Slicer reads it before any of the library's packages is installed.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# Files of a case's and of a batch's results.
MASK_FILE = "mask.nii.gz"
OVERLAY_FILE = "overlay.png"
REPORT_FILE = "report.json"
HTML_FILE = "report.html"
WORKLIST_FILE = "index.html"
CASES_CSV_FILE = "cases.csv"
CASES_JSON_FILE = "cases.json"
STRUCTURES_CSV_FILE = "structures.csv"
DICOM_SEGMENTATION_FILE = "segmentation.dcm"
DICOM_MAP_FILE = "uncertainty.dcm"
DICOM_STRUCTURES_FILE = "structures.dcm"
DICOM_REPORT_FILE = "report.dcm"
REVIEW_FILE = "review.json"
AUDIT_LOG_FILE = "audit_log.csv"
ERROR_LOG_FILE = "trustseg_errors.log"
BATCH_FILES = (WORKLIST_FILE, CASES_CSV_FILE, STRUCTURES_CSV_FILE, CASES_JSON_FILE)
"""The worklist and the tables of a batch."""

LPS_FROM_RAS = (-1.0, -1.0, 1.0)
"""What turns x, y, z to the right, anterior, superior (Slicer, people) into left, posterior, superior (DICOM,
ITK, `imaging.Volume`), and back."""

# Files of a model bundle.
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "MODEL_CARD.md"
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"

AUTO = "auto"
"""Instead of a model's name: the one that fits the image."""

# The `schema` field of each JSON file, and the worker's protocol.
REPORT_SCHEMA = "trustseg-report/1"
CASES_SCHEMA = "trustseg-cases/1"
REVIEW_SCHEMA = "trustseg-review/1"
MODEL_SCHEMA = "trustseg-model/1"
CALIBRATION_SCHEMA = "trustseg-calibration/1"
MOMENTS_SCHEMA = "trustseg-moments/1"
WORKER_PROTOCOL = "trustseg-worker/1"

INTENDED_USE = "research use only"
"""In every report, picture and DICOM result."""

DEFAULT_MAP = "error_probability"
"""The map that people see first, and the only one that is calibrated."""

HIDDEN_SHARE = 0.1
"""Values below this share of a map's scale are not drawn (5 % of error probability): anatomy stays clear."""

OPACITY = 0.85
"""Of the colors over the anatomy, where they are drawn."""

COLOR_COUNT = 256
"""Colors of a map, evenly spaced from its lowest to its highest value."""

COLOR_ANCHORS = (
    (74, 12, 107),
    (93, 18, 110),
    (111, 25, 110),
    (130, 32, 108),
    (149, 38, 103),
    (168, 46, 95),
    (185, 53, 86),
    (202, 64, 74),
    (217, 77, 61),
    (230, 93, 47),
    (239, 110, 33),
    (247, 130, 18),
    (251, 151, 6),
    (252, 174, 18),
    (250, 196, 42),
    (245, 219, 76),
    (241, 241, 121),
    (252, 255, 164),
)
"""Evenly spaced colors of matplotlib's inferno from 22 % of it, red, green, blue from 0 to 255.

The luminance rises throughout; the black end is left out, since it would be lost on a dark image.
"""

MOMENTS_FILE = "moments.json"
"""What `trustseg-train moments` found of a model."""

MODELS_VARIABLE = "TRUSTSEG_MODELS"
"""Environment variable that names another folder for the added models, such as one that a group shares."""


def schema_prefix(schema: str) -> str:
    """Beginning of the `schema` field in every version: "trustseg-report/" for `REPORT_SCHEMA`."""
    return schema.partition("/")[0] + "/"


def map_file(name: str) -> str:
    """Name of the file that holds an uncertainty map: the default map is just "uncertainty"."""
    return "uncertainty.nii.gz" if name == DEFAULT_MAP else f"uncertainty_{name}.nii.gz"


@dataclass(frozen=True)
class MapDisplay:
    """How the values of an uncertainty map become colors: fixed for a map, never fitted to the image.

    Attributes
    ----------
    title, unit : str
        What people read in a legend; the unit of a number without one is empty.
    factor : float
        From the values of the file to the numbers of the legend.
    low, high : float
        Ends of the colors, in the file's unit.
    largest : float
        No value of the map is larger, in the file's unit.
    """

    title: str
    unit: str
    factor: float
    low: float
    high: float
    largest: float

    @property
    def heading(self) -> str:
        """Title and unit, as above a legend."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def text(self, value: float, form: str = ".0f") -> str:
        """A value of the file as the legend writes it, with its unit."""
        return f"{value * self.factor:{form}} {self.unit}".rstrip()

    @property
    def hidden_below(self) -> float:
        """Smallest value that is drawn at first, in the file's unit."""
        return self.low + HIDDEN_SHARE * (self.high - self.low)

    @property
    def open_end(self) -> bool:
        """Whether values above `high` can occur."""
        return self.largest > self.high


@dataclass(frozen=True)
class _Map:
    title: str
    unit: str
    high: Callable[[int], float]
    largest: Callable[[int], float]


def _largest_spread(classes: int) -> float:
    """The largest sum over classes of p (1 - p), and the largest 1 - p of the likeliest: that of equal p."""
    return 1 - 1 / classes


# With three classes or more, the most probable label can be wrong more often than right: beyond the scale.
_MAPS = {
    DEFAULT_MAP: _Map(
        "Error probability", "probability that the label is wrong", lambda classes: 0.5, _largest_spread
    ),
    "predictive_variance": _Map(
        "Predictive variance", "probability²", lambda classes: 0.25, lambda classes: 0.25
    ),
    "entropy": _Map("Predictive entropy", "nat", math.log, math.log),
    "epistemic": _Map("Epistemic uncertainty", "probability²", _largest_spread, _largest_spread),
    "aleatoric": _Map("Aleatoric uncertainty", "probability²", _largest_spread, _largest_spread),
}

MAP_NAMES = tuple(_MAPS)


RAW_TITLE, RAW_UNIT = "Uncertainty, raw (not calibrated)", "raw, not calibrated"
"""Of the default map where it was not calibrated: its values then are no probabilities."""


def map_title(name: str, calibrated: bool = True) -> str:
    """Name of a map for people, such as "Error probability"; see `map_display`."""
    return RAW_TITLE if name == DEFAULT_MAP and not calibrated else _MAPS[name].title


def map_unit(name: str, calibrated: bool = True) -> str:
    """Unit of a map's values in its file; a probability is stored as a fraction, not in percent."""
    return RAW_UNIT if name == DEFAULT_MAP and not calibrated else _MAPS[name].unit


def map_display(name: str, classes: int, calibrated: bool = True) -> MapDisplay:
    """The fixed display of a map, the same in pictures, pages and Slicer.

    Parameters
    ----------
    name : str
        One of `MAP_NAMES`.
    classes : int
        Number of classes, background included, at least 2.
    calibrated : bool
        Whether the default map was calibrated, see `is_map_calibrated`. If not, it is shown with the same
        colors, but as bare numbers: neither percent nor probability. The other maps are the same either way.
    """
    if classes < 2:
        raise ValueError(f"a segmentation has at least 2 classes, not {classes}")
    found = _MAPS[name]
    factor, unit = 1.0, found.unit
    if name == DEFAULT_MAP:
        factor, unit = (100.0, "%") if calibrated else (1.0, "")
    high, largest = float(found.high(classes)), float(found.largest(classes))
    return MapDisplay(map_title(name, calibrated), unit, factor, 0.0, high, max(high, largest))


def map_colors() -> tuple[tuple[int, int, int], ...]:
    """The `COLOR_COUNT` colors of a map, lowest value first: red, green, blue from 0 to 255.

    Between the anchors they are interpolated linearly. A value at the share s of a map's range has the color
    number `floor(COLOR_COUNT * s)`, as in a VTK lookup table.
    """
    last = len(COLOR_ANCHORS) - 1
    return tuple(_interpolated_color(index / (COLOR_COUNT - 1) * last) for index in range(COLOR_COUNT))


def _interpolated_color(place: float) -> tuple[int, int, int]:
    """Color at a place that counts anchors from 0."""
    first = min(int(place), len(COLOR_ANCHORS) - 2)
    before, after = COLOR_ANCHORS[first], COLOR_ANCHORS[first + 1]
    red, green, blue = (round(a + (place - first) * (b - a)) for a, b in zip(before, after, strict=True))
    return red, green, blue


_PARTS = {
    DEFAULT_MAP: ("the error map", "the error map"),
    "volumes": ("the volume interval of", "the volume intervals of"),
    "quality": ("the expected DSC of", "the expected DSC of"),
}
"""Parts of a calibration in words: of one structure, and of several."""
_MOST_NAMES = 3
NEVER_CALIBRATED = "Not calibrated: no part of the uncertainty was checked on patients left out."


def is_map_calibrated(calibration: Mapping[str, Any] | None) -> bool:
    """Whether the default map of a result is a calibrated probability.

    Parameters
    ----------
    calibration : Mapping or None
        The field `calibration` of a report, in which only parts are that passed their check.
    """
    return bool((calibration or {}).get(DEFAULT_MAP))


def is_structure_calibrated(calibration: Mapping[str, Any] | None, part: str, label: int) -> bool:
    """Whether a structure has a calibrated interval (part "volumes") or expected DSC (part "quality")."""
    return any(row.get("label") == label for row in (calibration or {}).get(part) or ())


def calibration_title(calibration: Mapping[str, Any] | None) -> str:
    """Words for how much of a result is calibrated; `calibration_sentence` says what is not."""
    if not any((calibration or {}).get(part) for part in _PARTS):
        return "uncertainty not calibrated"
    return "uncertainty calibrated in part" if _missing(calibration) else "uncertainty calibrated"


LOCATED = (
    "Intervals and expected DSC hold for crops cut by hand; on crops found in a scan they were not measured."
)
"""Said of every scan that was searched for the model's fields of view."""


def choice_sentence(choice: Mapping[str, Any]) -> str:
    """Return why a model was chosen, and why not the others, in one sentence.

    Parameters
    ----------
    choice : Mapping
        `provenance.choice` of a report: `reason`, and `others` by name.
    """
    others = "; ".join(f"{name} {reason}" for name, reason in choice["others"].items())
    return f"chosen because it fits the image: {choice['reason']}" + (f". Others: {others}" if others else "")


def sides_sentence(sides: Mapping[str, Any]) -> str:
    """Put the volumes of both sides into words, and `LOCATED`.

    Parameters
    ----------
    sides : Mapping
        `sides` of a report, or of `SegmentationResult` as a mapping.
    """
    volumes = ", ".join(f"{name.lower()} {volume:.2f} ml" for name, volume in sides["volumes_ml"].items())
    sentence = f"{sides['organ'].capitalize()}: {volumes}"
    if len(sides["volumes_ml"]) > 1:
        sentence += f", together {sides['total_ml']:.2f} ml"
    if sides["asymmetry_percent"] is not None:
        sentence += f"; asymmetry (right - left) / mean {sides['asymmetry_percent']:+.1f} %"
    return f"{sentence}. {LOCATED}"


def calibration_sentence(calibration: Mapping[str, Any] | None) -> str:
    """Which parts of a result are not calibrated and why, in one sentence; empty where all are.

    It is the one source of this fact for console, page, picture and panel.
    """
    if calibration is None:
        return NEVER_CALIBRATED
    names: dict[tuple[str, str], list[str]] = {}
    for entry in _missing(calibration):
        names.setdefault((entry["part"], entry["reason"]), []).append(entry.get("structure") or "")
    if not names:
        return ""
    *before, last = (_in_words(part, found, reason) for (part, reason), found in names.items())
    return f"Not calibrated: {', '.join(before)}{' and ' if before else ''}{last}."


def _missing(calibration: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries of `not_calibrated`; reports of earlier versions have none, and name no structure."""
    known = calibration.get("not_calibrated")
    if known is not None:
        return list(known)
    return [
        {"part": part, "structure": "" if part == DEFAULT_MAP else "any structure", "reason": "not fitted"}
        for part in _PARTS
        if not calibration.get(part)
    ]


def _in_words(part: str, names: list[str], reason: str) -> str:
    if part == DEFAULT_MAP:
        return f"{_PARTS[part][0]} ({reason})"
    shown = names if len(names) <= _MOST_NAMES else [*names[: _MOST_NAMES - 1], f"{len(names) - 2} others"]
    *before, last = shown
    text = f"{', '.join(before)}{' and ' if before else ''}{last}"
    return f"{_PARTS[part][len(names) > 1]} {text} ({reason})"


@dataclass(frozen=True)
class CaseRow:
    """One image of a batch, as `cases.json` has it.

    Attributes
    ----------
    image : str
        As the user named it: a file, or the folder of a DICOM series.
    folder : str or None
        Where its results are; None when it failed.
    quality : float or None
        Expected DSC of its worst structure; None without a calibration.
    uncertainty : float or None
        What cases without a quality are sorted by, the highest first: the largest boundary uncertainty of a
        structure, or the largest mean uncertainty where there are no scores.
    flags : tuple of str
        Structures that a person should look at, and why.
    warnings : tuple of str
        Of the case.
    regions : int
        Number of places to look at.
    error : str or None
        Why there is no result.
    """

    image: str
    folder: str | None = None
    quality: float | None = None
    uncertainty: float | None = None
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: int = 0
    error: str | None = None

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> CaseRow:
        """Read a row of `cases.json`; fields of later versions are left out."""
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        return cls(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
        )


def added_models_folder() -> Path:
    """Folder of the models that the user has added, which need not be there.

    It is `TRUSTSEG_MODELS` or, where that is not set, in the place that the operating system has for the data
    of a user's programs (on Linux the XDG base directory).

    Raises
    ------
    RuntimeError
        The user has no home folder.
    """
    if os.environ.get(MODELS_VARIABLE):
        return Path(os.environ[MODELS_VARIABLE]).absolute()
    return _data_folder() / "trustseg" / "models"


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "share"
