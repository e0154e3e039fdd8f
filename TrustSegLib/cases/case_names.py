"""Names of cases: what the folder of a case's results is called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from TrustSegLib.cases.batch_folder import IMAGE_EXTENSIONS
from TrustSegLib.cases.table_files import TABLE_FILES

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
