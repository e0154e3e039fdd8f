"""Reading and writing of image files: NIfTI, NRRD, MetaImage, or a folder of one DICOM series."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import ImageError, OutputError, disk_full, output_error
from TrustSegLib.imaging.checks import (
    COPY_AGAIN,
    check_gray,
    check_intensities,
    check_labels,
    image_error,
    last_line,
    sheared,
)
from TrustSegLib.imaging.dicom import read_series
from TrustSegLib.imaging.volume import Volume

if TYPE_CHECKING:
    from TrustSegLib.imaging.headers import Reading

ITK_READERS = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
_WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")  # each is one file, which can be moved in one step
_PERMISSION = "check the folder and its permissions"
_SPACE = "check the free space on the disk, and the voxels"


def read_volume(path: str | os.PathLike[str], *, fourth_axis_is_channel: bool = False) -> Volume:
    """Read an image for a model.

    Parameters
    ----------
    path : path-like
        A NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file, or a folder of exactly
        one DICOM series. A vector image has one channel per component.
    fourth_axis_is_channel : bool
        Whether a NIfTI file of four dimensions has channels in the last, as the Medical Segmentation
        Decathlon keeps them. In the clinic it is time, and such a file is refused.

    Returns
    -------
    Volume
        (C, D, H, W) in the number type and geometry of the file.

    Raises
    ------
    ImageError
        In one line that names the file, what is wrong and what to do: the file is missing, damaged, of
        unknown type, not 3D, complex or in color; its geometry is wrong or ambiguous; or its voxels are not
        finite or are constant.
    """
    path = Path(path)
    volume = _read(path, fourth_axis_is_channel)
    check_intensities(path, volume)
    return volume


def read_labels(path: str | os.PathLike[str]) -> Volume:
    """Read a label map: as `read_volume`, but of whole numbers from 0 to 255, and it may be empty.

    Parameters
    ----------
    path : path-like
        As in `read_volume`.

    Returns
    -------
    Volume
        (1, D, H, W), uint8.

    Raises
    ------
    ImageError
        As in `read_volume`, or a voxel is not a label.
    """
    path = Path(path)
    volume = _read(path)
    check_labels(path, volume)
    return volume.with_array(volume.array.astype(np.uint8))


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write an image in its number type (labels: uint8), compressed if the file type allows.

    The file appears completely or not at all: it is written next to its place, checked and moved there. An
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
        The type is unknown, or the folder is missing, not writable or full.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in _WRITABLE:
        raise OutputError(f"{path}: cannot write this type of file; use {', '.join(_WRITABLE)}")
    try:
        # In a folder of its own the file gets the usual permissions, and nothing is left behind.
        with tempfile.TemporaryDirectory(prefix=".trustseg-", dir=path.parent) as folder:
            temporary = Path(folder) / f"image{suffix}"
            sitk.WriteImage(volume.to_sitk(), str(temporary), useCompression=True)
            _check_header(temporary, suffix)  # on a full disk NIfTI is truncated without an error
            os.replace(temporary, path)
    except OSError as failure:
        raise output_error(path, failure, _PERMISSION) from None
    except RuntimeError as failure:
        raise _not_written(volume, path, last_line(failure)) from None
    except ImageError as failure:
        reason = str(failure).removeprefix(f"{temporary}: ").split(";")[0]
        raise _not_written(volume, path, reason) from None


def _not_written(volume: Volume, path: Path, reason: str) -> OutputError:
    """Return the error of a failed ITK writer, which does not tell a full disk from other reasons."""
    if shutil.disk_usage(path.parent).free < volume.array.nbytes:
        return disk_full(path)
    return OutputError(f"{path}: cannot be written ({reason}); {_SPACE}")


def suffix_of(path: Path) -> str | None:
    """Return the suffix of an image file in lower case, or None for an unknown type."""
    return next((suffix for suffix in ITK_READERS if path.name.lower().endswith(suffix)), None)


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Suppress ITK's own warnings in the terminal, where users shall see one line of ours."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _read(path: Path, fourth_axis_is_channel: bool = False) -> Volume:
    try:
        with quiet_itk():
            image, header = _read_folder(path) if path.is_dir() else _read_file(path, fourth_axis_is_channel)
    except FileNotFoundError:
        raise image_error(path, "there is no such file or folder", "check the path") from None
    except OSError as failure:
        raise image_error(path, f"cannot be read ({failure.strerror})", "check its permissions") from None
    except RuntimeError as failure:
        if "orthonormal" in str(failure):  # ITK allows less shear of a single sform than check_axes
            raise sheared(path) from None
        raise image_error(path, f"cannot be read ({last_line(failure)})", COPY_AGAIN) from None
    check_gray(path, image[0].GetPixelID(), image[0].GetNumberOfComponentsPerPixel())
    volumes = [Volume.from_sitk(channel) for channel in image]
    if len(volumes) == 1:
        return replace(volumes[0], **header)
    return replace(volumes[0], array=np.concatenate([each.array for each in volumes]), **header)


def _read_folder(path: Path) -> tuple[list[sitk.Image], dict[str, Any]]:
    series = read_series(path)
    return [series.image], {name: getattr(series, name) for name in ("notes", "modality", "body_part")}


def _read_file(path: Path, fourth_axis_is_channel: bool) -> tuple[list[sitk.Image], dict[str, Any]]:
    """Images of the fourth axis, as a rule one, and the notes."""
    suffix = suffix_of(path)
    if suffix is None:
        raise _unknown_type(path)
    reading = _check_header(path, suffix, fourth_axis_is_channel)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(ITK_READERS[suffix])
    reader.SetFileName(str(path))
    image = reader.Execute()
    if image.GetDimension() == 4:
        images = [image[:, :, :, index] for index in range(image.GetSize()[3])]
    else:
        images = [image]
    for each in images:
        _place(each, reading)
    return images, {"notes": reading.notes}


def _place(image: sitk.Image, reading: Reading) -> None:
    """Move an image to where its header puts it, if SimpleITK does not."""
    if reading.unit_mm != 1:
        image.SetSpacing([length * reading.unit_mm for length in image.GetSpacing()])
        image.SetOrigin([place * reading.unit_mm for place in image.GetOrigin()])
    if reading.placement is not None:
        steps = reading.placement[:3, :3]
        image.SetDirection((steps / np.linalg.norm(steps, axis=0)).ravel().tolist())
        image.SetOrigin(reading.placement[:3, 3].tolist())


def _check_header(path: Path, suffix: str, fourth_axis_is_channel: bool = False) -> Reading:
    from TrustSegLib.imaging.headers import check_header  # needs nibabel, which Slicer does not have

    return check_header(path, suffix, fourth_axis_is_channel)


def _unknown_type(path: Path) -> ImageError:
    with path.open("rb") as stream:
        is_dicom = stream.read(132)[128:] == b"DICM"
    if is_dicom:
        return image_error(path, "a single DICOM file", "give the folder that holds its whole series")
    remedy = f"use {', '.join(ITK_READERS)} or a folder with a DICOM series"
    return image_error(path, "not a known image type", remedy)
