"""Which images are to be segmented, and the folder for the results of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.cases.batch_folder import images_of_batch
from TrustSegLib.cases.case_names import image_name, same_name, series_names
from TrustSegLib.cases.series_folders import may_be_folder
from TrustSegLib.errors import ImageError, OptionError


@dataclass(frozen=True)
class Target:
    """An image and the folder for its results."""

    image: Path
    folder: Path


def plan_targets(images: Sequence[str], output: str) -> list[Target]:
    """Decide where the results of each image go.

    Parameters
    ----------
    images : sequence of str
        Files, or directories: of one DICOM series, or of images that are a batch (see `batch_folder`).
    output : str
        Folder for the results of one image; of several, the folder of one folder per image.

    Raises
    ------
    ImageError
        An image is not there.
    OptionError
        Two images would write into the same folder, or one of several into the folder of a DICOM series.
    """
    for image in images:
        if not Path(image).exists():
            raise ImageError(f"{image}: no such file or directory; check the path")
    found = [named for image in images for named in _named(Path(image))]
    if [path for path, _name in found] == [Path(images[0])]:
        return [Target(Path(images[0]), Path(output))]
    targets = [Target(path, Path(output) / name) for path, name in found]
    _check_different(targets)
    check_outside_series(targets)
    return targets


def check_outside_series(targets: Sequence[Target], results: str = "results") -> None:
    """Make sure that nothing is written among the slices of a series, which belong to a patient.

    `results` is the word of the error.

    Raises
    ------
    OptionError
        The folder of a target is the folder of one of the series, or lies in one.
    """
    series = {identity(target.image): target.image for target in targets if may_be_folder(target.image)}
    series.pop(None, None)
    for target in targets:
        folder = Path(os.path.realpath(target.folder))
        around = [identity(path) for path in (folder, *folder.parents)]
        if found := [series[each] for each in around if each in series]:
            raise OptionError(
                f"{target.folder}: lies in the folder of the series {found[0]}, which {results} would "
                "be mixed with; choose another output folder"
            )


def identity(path: Path) -> tuple[int, int] | None:
    """Return what is equal for two paths of one file or folder; None where there is none to be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _named(image: Path) -> list[tuple[Path, str]]:
    """The image, or the images of its batch, each with the name of its case."""
    batch = images_of_batch(image)
    if batch and may_be_folder(batch[0]):
        return list(zip(batch, series_names(image, batch), strict=True))
    return [(path, image_name(path)) for path in batch or [image]]


def _check_different(targets: Sequence[Target]) -> None:
    taken: dict[str, Path] = {}
    for target in targets:
        key = same_name(target.folder.name)
        if key in taken:
            raise OptionError(
                f"{taken[key]} and {target.image} would both write into {target.folder}; segment them into "
                "different output folders"
            )
        taken[key] = target.image
