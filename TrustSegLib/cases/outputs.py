"""Output folders: checked before the work, and written whole or not at all.

Results are written into a private folder inside the output folder (on the same disk) and moved into place
at the end, the report last: where there is a report, the files beside it belong to it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from TrustSegLib.cases.image_folders import written_before
from TrustSegLib.cases.targets import Target, identity
from TrustSegLib.contract import (
    DICOM_MAP_FILE,
    DICOM_REPORT_FILE,
    DICOM_SEGMENTATION_FILE,
    DICOM_STRUCTURES_FILE,
    HTML_FILE,
    MAP_NAMES,
    MASK_FILE,
    OVERLAY_FILE,
    REPORT_FILE,
    map_file,
)
from TrustSegLib.errors import OutputError, output_error
from TrustSegLib.report.batch_tables import OVERWRITE_REMEDY

RESULT_FILES = (
    *(REPORT_FILE, HTML_FILE, MASK_FILE, OVERLAY_FILE),
    *(DICOM_SEGMENTATION_FILE, DICOM_MAP_FILE, DICOM_REPORT_FILE, DICOM_STRUCTURES_FILE),
    *(map_file(name) for name in MAP_NAMES),
)
"""Names of all files that a result can have."""
PRIVATE_PREFIX = ".trustseg-"


@contextmanager
def private_folder(
    output: str, what: str = "the output folder", remedy: str = "choose another with -o"
) -> Iterator[Path]:
    """Create the output folder and a private folder inside it, which is removed at the end.

    Folders created here that are still empty at the end are removed as well, so that an error leaves nothing.

    Parameters
    ----------
    output : str
        Output folder.
    what : str
        How the error calls it.
    remedy : str
        What the error tells the user to do.

    Raises
    ------
    OutputError
        The output folder cannot be created or written.
    """
    folder = Path(output)
    with ExitStack() as stack:
        try:
            for missing in _missing_folders(folder):
                missing.mkdir(exist_ok=True)
                stack.callback(_remove_if_empty, missing)
            private = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=PRIVATE_PREFIX))
        except OSError as error:
            raise _not_writable(folder, error, what, remedy) from error
        yield Path(private)


def check_targets(targets: Sequence[Target], overwrite: bool, remedy: str = OVERWRITE_REMEDY) -> None:
    """Check, before the work, that the results can be written into the targets' folders.

    Parameters
    ----------
    targets : sequence of Target
        All images and their folders.
    overwrite : bool
        Whether any file may be replaced.
    remedy : str
        What the error tells the user to do.

    Raises
    ------
    OutputError
        A folder cannot be written; or it has a file with the name of a result that no `trustseg` run wrote,
        while `overwrite` is not set; or that file is one of the images.
    """
    images = [target.image for target in targets]
    for target in targets:
        if target.folder.exists():
            _check_folder(target.folder, images, overwrite, remedy)


def _check_folder(folder: Path, images: Sequence[Path], overwrite: bool, remedy: str) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=PRIVATE_PREFIX):
            existing = [name for name in RESULT_FILES if (folder / name).exists()]
    except OSError as error:
        raise _not_writable(folder, error) from error
    earlier = written_before(folder)
    for name in existing:
        _check_replaceable(folder / name, images, overwrite or name in earlier, remedy)


def publish(staging: Path, folder: Path) -> None:
    """Move all files of a private folder into `folder`, replacing an earlier run's results: all or none.

    Raises
    ------
    OutputError
        A file cannot be moved; `folder` is as it was before.
    """
    new = sorted(os.listdir(staging), key=lambda name: (name == REPORT_FILE, name))
    try:
        with tempfile.TemporaryDirectory(dir=staging.parent) as previous, ExitStack() as undo:
            if not folder.exists():
                undo.callback(_remove_if_empty, folder)
                folder.mkdir()
            for name in RESULT_FILES:
                if (folder / name).exists():
                    _move(folder / name, Path(previous) / name, undo)
            for name in new:
                _move(staging / name, folder / name, undo)
            undo.pop_all()
    except OSError as error:
        raise _not_writable(folder, error) from error


def _check_replaceable(existing: Path, images: Sequence[Path], may_replace: bool, remedy: str) -> None:
    if identity(existing) in [identity(image) for image in images]:
        raise OutputError(f"{existing}: is an image to be segmented; choose another output folder")
    if existing.is_dir():
        raise OutputError(f"{existing}: is a folder where a result goes; choose another output folder")
    if not may_replace:
        raise OutputError(f"{existing}: was not written by trustseg; {remedy}")


def _move(source: Path, destination: Path, undo: ExitStack) -> None:
    undo.callback(_move_back, destination, source)
    os.replace(source, destination)


def _move_back(moved: Path, original: Path) -> None:
    if moved.exists() and not original.exists():
        os.replace(moved, original)


def _missing_folders(folder: Path) -> list[Path]:
    """Folders to create for `folder` to exist, the outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    return missing[::-1]


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # It holds results, or another run has removed it.
        folder.rmdir()


def _not_writable(
    folder: Path, error: OSError, what: str = "the output folder", remedy: str = "choose another with -o"
) -> OutputError:
    return output_error(folder, error, remedy, f"{what} cannot be written")
