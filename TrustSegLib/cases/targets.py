"""Which images are to be segmented, and the folder, by name, for the results of each."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.cases.image_folders import IMAGE_EXTENSIONS, images_of_batch, may_be_folder
from TrustSegLib.contract import TABLE_FILES
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


LONGEST_BYTES = 150
"""Of a name of a series: file systems take 255, and Windows 260 letters for a whole path."""
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
"""What no file name may hold on some system, and bytes that are no text."""
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)
"""Devices of Windows: no file has such a name there, whatever follows a dot."""
_HASH_LETTERS = 8


def image_name(image: Path) -> str:
    """Name an image without its extensions; a directory keeps its whole name."""
    name = image.name if image.name not in ("", "..") else image.resolve().name
    if image.is_dir():
        return name
    extension = next((end for end in IMAGE_EXTENSIONS if name.lower().endswith(end)), "")
    return name[: len(name) - len(extension)] or name


def series_names(folder: Path, series: Sequence[Path]) -> list[str]:
    """Name each series of a batch after its path below `folder`: "patient 1/CT" becomes "patient 1_CT".

    What some file system does not take becomes "_". A name that is too long, or that another series or a
    table of the batch would have too, ends with "~" and a hash of the path. So the name does not depend on
    the order of the series, and the next run over the same folders finds the same one.

    Where a series is added whose name would be that of one that is there ("a_b/c" beside "a/b_c"), the next
    run names both anew, and what it finds in the old folder ("a_b_c") stays there. This is rare; a hash in
    every name with "_" would make all of them hard to read. The tables of a batch name each case's folder.
    """
    paths = [path.relative_to(folder).as_posix() for path in series]
    names = [_safe(path) for path in paths]
    taken = Counter(map(same_name, [*names, *TABLE_FILES]))
    return [
        name
        if taken[same_name(name)] == 1 and len(name.encode()) <= LONGEST_BYTES
        else f"{_cut(name)}~{_hash(path)}"
        for name, path in zip(names, paths, strict=True)
    ]


def same_name(name: str) -> str:
    """Return what is equal for names that some file system takes for the same.

    They may differ in case or in how an accent is encoded.
    """
    return unicodedata.normalize("NFC", name).casefold()


def _safe(path: str) -> str:
    # Windows drops dots and spaces at the end; a dot at the beginning would hide the folder.
    name = re.sub(r"^\.+", "_", _UNSAFE.sub("_", path).strip(" ").rstrip(". "))
    return f"_{name}" if not name or _RESERVED.match(name) else name


def _cut(name: str) -> str:
    return name.encode()[: LONGEST_BYTES - _HASH_LETTERS - 1].decode(errors="ignore")


def _hash(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LETTERS]
