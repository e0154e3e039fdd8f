"""Resampling to another spacing or onto another image's grid.

Positions are voxel centers, as in SimpleITK: `origin` is the center of the first voxel, and the image
extends half a voxel beyond its outermost centers. `resample` keeps the outer corner, not the first center.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging.volume import Volume

_INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor}
_AXIS = {letter: axis for axis, pair in enumerate(("LR", "PA", "SI")) for letter in pair}
_SAME_SPACING = 1e-3  # of a voxel: headers round
_CLEARLY_COARSER = 1.2  # at smaller ratios the Gaussian is narrower than 0.3 voxels and has no effect
_SIZE_TOLERANCE = 1e-3  # of a new voxel, so that rounding of the spacing adds no layer of voxels
_FWHM_SQUARED = 8 * np.log(2)  # full width at half maximum of a Gaussian, squared, over its variance


def resample(volume: Volume, spacing: tuple[float, float, float], interpolation: str = "linear") -> Volume:
    """Resample to another spacing, keeping the direction and the physical extent.

    Both grids start at the same outer corner, half a voxel before the center of the first voxel, so the
    first center moves by half the difference of the spacings. The number of voxels is rounded up, so that
    the new grid covers the whole image. Its last layer can extend beyond it by less than a voxel, where the
    nearest voxel is repeated.

    With linear interpolation, axes that become more than 1.2 times coarser are first smoothed by a Gaussian
    that widens the point spread of the old voxels to that of the new ones. Otherwise detail finer than the
    new voxels would alias, and noise would not average out as in a scan of large voxels. The variance of the
    Gaussian is (new^2 - old^2) / (8 ln 2).

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W).
    spacing : tuple of 3 floats
        The new spacing along x, y, z in mm.
    interpolation : {"linear", "nearest"}
        "nearest" keeps values and type, for labels. "linear" returns float32 (float64 for float64).

    Returns
    -------
    Volume
        The image on the new grid.

    Raises
    ------
    OptionError
        The spacing is not three positive numbers, or the interpolation is unknown.

    References
    ----------
    Cardoso et al., Scale factor point spread function matching: beyond aliasing in image resampling,
    MICCAI 2015.
    """
    new, old = np.asarray(spacing, dtype=float), np.array(volume.spacing)
    if new.shape != (3,) or not (np.isfinite(new) & (new > 0)).all():
        raise OptionError(f"spacing {spacing}: not a voxel size; give three positive numbers in mm (x, y, z)")
    size = np.ceil(volume.size * old / new - _SIZE_TOLERANCE).astype(int)
    origin = volume.origin + np.reshape(volume.direction, (3, 3)) @ ((new - old) / 2)
    no_voxels = np.broadcast_to(np.uint8(0), (1, *size[::-1]))  # without memory, as only its shape matters
    grid = Volume(no_voxels, tuple(new), tuple(origin), volume.direction)
    return _sample(volume, grid, interpolation, fill=None)


def resampled_middle(
    volume: Volume, spacing: tuple[float, float, float], orientation: str, voxels: int
) -> Volume:
    """Resample the middle of an image to another spacing, without reordering its axes.

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W).
    spacing : tuple of 3 floats
        The new spacing in mm, along the axes of `orientation`.
    orientation : str
        Directions of x, y and z that the spacing belongs to, such as "RAS".
    voxels : int
        Most new voxels along an axis, about.

    Returns
    -------
    Volume
        The voxels of the file where the spacing is the same: nothing is interpolated.
    """
    of_axis = {_AXIS[letter]: step for letter, step in zip(orientation, spacing, strict=True)}
    wanted = tuple(of_axis[_AXIS[letter]] for letter in volume.orientation)
    slices, first = [], []
    for count, old, new in zip(volume.shape, volume.spacing[::-1], wanted[::-1], strict=True):
        kept = min(count, int(np.ceil(voxels * new / old)))
        first.append((count - kept) // 2)
        slices.append(slice(first[-1], first[-1] + kept))
    origin = volume.index_to_lps @ (*first[::-1], 1)
    part = replace(volume, array=volume.array[(slice(None), *slices)], origin=tuple(origin[:3]))
    same = np.allclose(part.spacing, wanted, rtol=_SAME_SPACING, atol=0.0)
    return part if same else resample(part, wanted)


def resample_like(
    volume: Volume, reference: Volume, interpolation: str = "linear", fill: float = 0.0
) -> Volume:
    """Resample onto the grid of another image.

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W).
    reference : Volume
        Its grid is used, of any spacing, size and direction; its voxels are ignored.
    interpolation : {"linear", "nearest"}
        As in `resample`, with the same smoothing along axes that become clearly coarser.
    fill : float
        Value of voxels whose center lies outside the image, beyond its outer faces.

    Returns
    -------
    Volume
        The image on the grid of the reference.

    Raises
    ------
    OptionError
        The interpolation is unknown.
    """
    return _sample(volume, reference, interpolation, fill)


def _sample(volume: Volume, grid: Volume, interpolation: str, fill: float | None) -> Volume:
    """Sample every channel at the voxel centers of `grid`; fill None repeats the edge."""
    if interpolation not in _INTERPOLATORS:
        raise OptionError(f"interpolation {interpolation!r}: not known; use {' or '.join(_INTERPOLATORS)}")
    if interpolation == "linear":
        volume = _smoothed(volume, _spacing_along(volume, grid))
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(_INTERPOLATORS[interpolation])
    resampler.SetSize(grid.size)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetDefaultPixelValue(0.0 if fill is None else float(fill))
    resampler.SetUseNearestNeighborExtrapolator(fill is None)
    channels = (volume.with_array(channel[np.newaxis]).to_sitk() for channel in volume.array)
    array = np.stack([sitk.GetArrayFromImage(resampler.Execute(channel)) for channel in channels])
    return grid.with_array(array)


def _spacing_along(volume: Volume, grid: Volume) -> np.ndarray:
    """Spacing of `grid` along the axes of `volume`, (3,) in mm.

    This is the root of the diagonal of the grid's voxel covariance R diag(s^2) R^T in the axes of the volume:
    a permutation of the grid's spacing for parallel axes, and invariant to rotation for isotropic spacing.
    """
    rotation = np.reshape(volume.direction, (3, 3)).T @ np.reshape(grid.direction, (3, 3))
    return np.linalg.norm(rotation * grid.spacing, axis=1)


def _smoothed(volume: Volume, spacing: np.ndarray) -> Volume:
    """Convert voxels to floating point and smooth them along the axes on which `spacing` (mm) is coarser."""
    ratio = spacing / volume.spacing
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0) / _FWHM_SQUARED) * (ratio > _CLEARLY_COARSER)
    number = np.float64 if volume.array.dtype == np.float64 else np.float32
    array = volume.array.astype(number, copy=False)
    if sigma.any():
        array = gaussian_filter(array, (0, *sigma[::-1]), mode="nearest")
    return volume.with_array(array)
