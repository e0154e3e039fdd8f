"""Writing images: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import SimpleITK as sitk

from TrustSegLib.errors import ImageError, OutputError
from TrustSegLib.imaging.checks import last_line
from TrustSegLib.imaging.reading import suffix_of
from TrustSegLib.imaging.volume import Volume

_WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")  # in one file each, so that it can appear at once
_PERMISSION = "check the folder and its permissions"
_SPACE = "check the free space on the disk, and the voxels"


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write an image, compressed where its type can be, in its own number type (labels: uint8).

    The file appears whole or not at all: it is written beside its place, checked, and then moved there. An
    existing file is replaced.

    Parameters
    ----------
    volume : Volume
        (C, D, H, W); several channels become a vector image.
    path : path-like
        A .nii.gz, .nii, .nrrd or .mha file in an existing folder.

    Raises
    ------
    OutputError
        If the type is unknown, or the folder is missing, not writable or full.
    """
    from TrustSegLib.imaging.headers import check_header  # brings nibabel, which Slicer does not have

    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in _WRITABLE:
        raise OutputError(f"{path}: cannot write this type of file; use {', '.join(_WRITABLE)}")
    try:
        # In a folder of its own the file gets the usual permissions, and nothing of it stays behind.
        with tempfile.TemporaryDirectory(prefix=".trustseg-", dir=path.parent) as folder:
            temporary = Path(folder) / f"image{suffix}"
            sitk.WriteImage(volume.to_sitk(), str(temporary), useCompression=True)
            check_header(temporary, suffix)  # NIfTI on a full disk is cut short without an error
            os.replace(temporary, path)
    except OSError as failure:
        raise OutputError(f"{path}: cannot be written ({failure.strerror}); {_PERMISSION}") from None
    except RuntimeError as failure:
        raise OutputError(f"{path}: cannot be written ({last_line(failure)}); {_SPACE}") from None
    except ImageError as failure:
        reason = str(failure).removeprefix(f"{temporary}: ").split(";")[0]
        raise OutputError(f"{path}: cannot be written ({reason}); {_SPACE}") from None
