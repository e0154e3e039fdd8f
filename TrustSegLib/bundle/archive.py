"""Safe unpacking of `.trustseg` files, zip archives of a bundle's files from any source."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from TrustSegLib.errors import BundleError

SUFFIX = ".trustseg"
MAX_FILES = 64
MAX_BYTES = 2 * 2**30

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Raised for a damaged directory, file or name, and for a newer version of the format.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_OR_PATCHED = 0x61


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive into an empty folder.

    Every entry must be a regular file at the top level, with a plain and unique name, so that nothing can be
    written outside `folder`. All entries are checked before any is written.

    Parameters
    ----------
    archive : Path
        A `.trustseg` file of at most `MAX_FILES` files and `MAX_BYTES` in total.
    folder : Path
        An existing, empty folder.

    Raises
    ------
    BundleError
        It is no zip archive, is damaged, or holds anything but such files.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            _check(entries, archive)
            for entry in entries:
                # The reader stops at the declared size of the entry, which the check has added up.
                with content.open(entry) as source, (folder / entry.filename).open("xb") as target:
                    shutil.copyfileobj(source, target)
    except _DAMAGED as error:
        raise BundleError(f"{archive}: is not a whole zip archive ({error}); get the model again") from error
    except OSError as error:
        reason = error.strerror
        raise BundleError(f"{archive}: cannot be unpacked ({reason}); check file and free space") from error


def _check(entries: list[zipfile.ZipInfo], archive: Path) -> None:
    if len(entries) > MAX_FILES:
        raise BundleError(f"{archive}: holds {len(entries)} files, not at most {MAX_FILES}; choose a model")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise BundleError(f"{archive}: unpacks to {total} bytes, not at most {MAX_BYTES}; do not use it")
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry, archive)
        # Some file systems ignore case.
        if entry.filename.casefold() in seen:
            raise BundleError(f"{archive}: holds {entry.filename} twice; do not use this file")
        seen.add(entry.filename.casefold())


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = f"{entry.orig_filename!r:.120}"
    if not _SAFE_NAME.fullmatch(entry.orig_filename):
        raise BundleError(f"{archive}: holds {name}; zip only the files of a bundle, without their folder")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise BundleError(f"{archive}: holds {name}, which is not a plain file; do not use this file")
    if entry.flag_bits & _ENCRYPTED_OR_PATCHED or entry.compress_type not in _METHODS:
        raise BundleError(f"{archive}: {name} is encrypted, or not packed by deflate; zip it without options")
