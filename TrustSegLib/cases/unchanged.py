"""Which cases of a batch an earlier run has done, with the same image, model and options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.cases.image_folders import files_in
from TrustSegLib.contract import REPORT_FILE, REPORT_SCHEMA
from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentOptions

DETACHED_HEADERS = (".mhd", ".nhdr")
"""Endings of headers whose voxels are in a file of any other name."""


def image_sha256(image: Path) -> str | None:
    """SHA-256 of an image file, or of the names and contents of all files of a folder.

    Returns
    -------
    str or None
        None where it is not known, so that the image counts as changed: for a header whose voxels are in
        another file, as its own bytes say nothing of them, and for an image that cannot be read any more.
    """
    try:
        return _sha256(image)
    except OSError:
        return None


def _sha256(image: Path) -> str | None:
    if image.is_dir():
        digest = hashlib.sha256()
        for path in files_in(image):
            digest.update(f"{path.name}\0{sha256_of(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    return None if image.name.lower().endswith(DETACHED_HEADERS) else sha256_of(image)


@dataclass(frozen=True)
class Wanted:
    """What a run is to make of every image.

    Attributes
    ----------
    models : Mapping of str to str
        SHA-256 of each model by its name: the one that was named, or all from which one is chosen.
    is_chosen : bool
        Whether the model is chosen for each image.
    options : SegmentOptions
        Of the segmentation.
    seed : int
        Of random numbers.
    more_files : Mapping of str to str
        Files beside the usual ones, by kind.
    """

    models: Mapping[str, str]
    is_chosen: bool
    options: SegmentOptions
    seed: int
    more_files: Mapping[str, str]

    def done(self, image: Path, folder: Path) -> dict[str, Any] | None:
        """Return the report of an image whose results in a folder are what this run would write, or None.

        Not compared are the device and the batch size, which do not change a result beyond rounding.
        """
        report = _report(folder)
        try:
            if report is None or not (self._same_work(report) and _complete(report, folder)):
                return None
        except (LookupError, TypeError, AttributeError):
            return None  # A report that lacks what every report has: the image is segmented again.
        recorded = report["provenance"].get("image_sha256")
        return report if recorded is not None and recorded == image_sha256(image) else None

    def _same_work(self, report: Mapping[str, Any]) -> bool:
        model, made, options = report["model"], report["provenance"], self.options
        if self.models.get(model["name"]) != model["sha256"]:
            return False
        if self.is_chosen:
            considered = {model["name"], *made.get("choice", {}).get("others", {})}
            if considered != set(self.models):
                return False
        kept = {
            "version": made.get("versions", {}).get("trustseg"),
            "overlap": made.get("overlap"),
            "precision": made.get("precision"),
            "roi": made.get("roi"),
            "seed": made.get("seed"),
            "maps": {entry["name"] for entry in report["maps"]},
        }
        wanted = {
            "version": __version__,
            "overlap": options.overlap,
            "precision": options.precision,
            "roi": None if options.roi is None else str(options.roi),
            "seed": self.seed,
            "maps": set(options.maps),
        }
        return kept == wanted and set(self.more_files.items()) <= set(report["files"].items())


def _report(folder: Path) -> dict[str, Any] | None:
    """A report of this version's form; None if there is none."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        return report if report["schema"] == REPORT_SCHEMA else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _complete(report: Mapping[str, Any], folder: Path) -> bool:
    files = [*report["files"].values(), *(entry["file"] for entry in report["maps"])]
    return all((folder / name).is_file() for name in files)
