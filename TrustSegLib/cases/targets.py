"""The images to segment, and the folder for the results of each."""

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
from TrustSegLib.contract import BATCH_FILES
from TrustSegLib.errors import ImageError, OptionError

LONGEST_BYTES = 150
"""Longest name of a series: file systems allow 255, and Windows 260 letters for a whole path."""
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
"""Characters that some system allows in no file name, and bytes that are not text."""
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)
"""Devices of Windows: no file can have such a name there, whatever follows a dot."""
_HASH_LETTERS = 8


@dataclass(frozen=True)
class Target:
    """An image and the folder for its results."""

    image: Path
    folder: Path


def plan_targets(images: Sequence[str], output: str) -> list[Target]:
    """Plan where the results of each image go.

    Parameters
    ----------
    images : sequence of str
        Files, or directories: of one DICOM series, or of a batch (see `image_folders.images_of_batch`).
    output : str
        Folder for the results of one image; with several, it gets one folder per image.

    Raises
    ------
    ImageError
        An image does not exist.
    OptionError
        Two images would have the same folder, or one of several that of a DICOM series.
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
    """Check that nothing is written among the slices of a series, which belong to a patient.

    Parameters
    ----------
    targets : sequence of Target
        All images and their folders.
    results : str
        How the error calls the results.

    Raises
    ------
    OptionError
        The folder of a target is, or lies in, the folder of one of the series.
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
    """Identify a file or folder: equal for two paths of the same one; None where it cannot be found."""
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


def image_name(image: Path) -> str:
    """Name an image without its extensions; a directory keeps its whole name."""
    name = image.name if image.name not in ("", "..") else image.resolve().name
    if image.is_dir():
        return name
    extension = next((end for end in IMAGE_EXTENSIONS if name.lower().endswith(end)), "")
    return name[: len(name) - len(extension)] or name


def series_names(folder: Path, series: Sequence[Path]) -> list[str]:
    """Name each series of a batch after its path below `folder`: "patient 1/CT" becomes "patient 1_CT".

    Characters that some file system does not allow become "_". A name that is too long, or that is also that
    of another series or of a table of the batch, ends with "~" and a hash of the path. So names do not depend
    on the order of the series, and are the same in the next run over the same folders.

    If a series is added later whose name is already used ("a_b/c" beside "a/b_c"), the next run renames both,
    and the results in the old folder ("a_b_c") stay there. This is rare; a hash in every name with "_" would
    make all of them hard to read. The tables of a batch list each case's folder.
    """
    paths = [path.relative_to(folder).as_posix() for path in series]
    names = [_safe(path) for path in paths]
    taken = Counter(map(same_name, [*names, *BATCH_FILES]))
    return [
        name
        if taken[same_name(name)] == 1 and len(name.encode()) <= LONGEST_BYTES
        else f"{_cut(name)}~{_hash(path)}"
        for name, path in zip(names, paths, strict=True)
    ]


def same_name(name: str) -> str:
    """Normalize a name: equal for names that are the same to some file system.

    They may differ in case or in the encoding of an accent.
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
