"""Checks of images of any file type, and the form of their errors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.volume import Volume

COPY_AGAIN = "copy or export it again"
FIX_GEOMETRY = "open it in 3D Slicer, check its size and its left and right, and save it again"

_RIGHT_ANGLE = 1e-3  # of a cosine: 0.06 degrees between two axes, more than headers round by
_LABEL_MAX = 255
_LARGEST_VALUE = 1e18  # its square is still a float32
_SMALLEST_MM, _LARGEST_MM = 0.002, 200.0  # of a voxel: micro-CT, and the gaps of a localizer


def image_error(path: Path, wrong: str, remedy: str) -> ImageError:
    """Return an error in the form of all image errors: file, what is wrong, what to do."""
    return ImageError(f"{path}: {wrong}; {remedy}")


def check_dimension(path: Path, dimension: int) -> None:
    """Refuse an image that is not 3D."""
    if dimension != 3:
        wrong = f"a {dimension}D image where a 3D one is needed"
        remedy = (
            "split it into 3D images, or save its channels as vectors" if dimension > 3 else "give a volume"
        )
        raise image_error(path, wrong, remedy)


def check_spacing(path: Path, spacing: np.ndarray, unit: str = "") -> None:
    """Refuse a voxel size (mm) that is not positive, or that no image of a patient has.

    `unit` is the header's unit of length, if that is not millimeters.
    """
    spacing = np.asarray(spacing, dtype=float)
    listed = " x ".join(f"{length:.6g}" for length in spacing)
    wrong = f"the header gives a voxel size of {listed} mm"
    if not (np.isfinite(spacing) & (spacing > 0)).all():
        raise image_error(path, wrong, FIX_GEOMETRY)
    if spacing.min() < _SMALLEST_MM or spacing.max() > _LARGEST_MM:
        wrong += f" (its unit is {unit})" if unit else ""
        raise image_error(path, wrong, "check the unit of length, and save it in millimeters")


def check_axes(path: Path, cosines: np.ndarray) -> None:
    """Refuse axes, the columns of a (3, 3) array, that are not unit vectors at right angles."""
    if not shear_of(cosines) < _RIGHT_ANGLE:
        raise sheared(path)


def shear_of(cosines: np.ndarray) -> float:
    """Largest difference from unit vectors at right angles of the columns of a (3, 3) array."""
    return float(np.abs(cosines.T @ cosines - np.eye(3)).max())


def sheared(path: Path) -> ImageError:
    """Return the error of an image whose axes are not unit vectors at right angles."""
    wrong = "its axes are not unit vectors at right angles (sheared or scaled)"
    return image_error(path, wrong, "resample it to a grid with right angles")


def last_line(failure: RuntimeError) -> str:
    """Return the message of a SimpleITK error, without its traceback and addresses."""
    return re.sub(r"^(.*\(0x\w+\)|\w+ ERROR): ", "", str(failure).strip().splitlines()[-1].strip())


def check_gray(path: Path, pixel_type: int, channels: int) -> None:
    """Refuse complex numbers, and three or four channels of 8 bits, as which SimpleITK reads RGB and RGBA."""
    if pixel_type in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise image_error(path, "its voxels are complex numbers", "save their magnitude")
    if pixel_type == sitk.sitkVectorUInt8 and channels in (3, 4):
        remedy = "save it as gray values (true channels as 16-bit numbers)"
        raise image_error(path, f"a color image ({channels} channels of 8 bits)", remedy)


def check_finite(path: Path, bad: int) -> None:
    """Refuse an image in which `bad` voxels are NaN or infinite."""
    if bad:
        wrong = f"{bad} {'voxels are' if bad > 1 else 'voxel is'} NaN or infinite"
        raise image_error(path, wrong, "put another value there, for example that of the background")


def check_intensities(path: Path, volume: Volume) -> None:
    """Refuse intensities that no model can process: NaN, infinity, huge values, or a constant channel."""
    check_finite(path, volume.array.size - int(np.count_nonzero(np.isfinite(volume.array))))
    if volume.array.dtype.kind == "f" and (largest := np.abs(volume.array).max()) > _LARGEST_VALUE:
        wrong = f"values up to {largest:.1e}, beyond what a scanner gives and 32-bit numbers hold"
        raise image_error(path, wrong, "scale the image, or export it again")
    for index, channel in enumerate(volume.array):
        if channel.min() == channel.max():
            name = "the image" if volume.channels == 1 else f"channel {index + 1}"
            raise image_error(path, f"{name} is empty, every voxel is {channel.min():g}", COPY_AGAIN)


def check_labels(path: Path, volume: Volume) -> None:
    """Refuse voxels that are not one channel of whole numbers from 0 to 255."""
    array = volume.array
    # Comparisons with NaN are false, so NaN is refused as well.
    if volume.channels != 1 or not ((array >= 0) & (array <= _LABEL_MAX) & (array == np.floor(array))).all():
        wrong = f"not a label map, its voxels are not one whole number from 0 to {_LABEL_MAX} each"
        raise image_error(path, wrong, "give a mask")
