"""`Volume`: voxels that carry their own geometry, and exact reorientation by flips and transposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import OptionError

_MM3_PER_ML = 1000.0
_GRID_TOLERANCE = 0.01  # of a voxel: headers store positions as float32, which moves voxels by far less


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image with one or more channels and its place in the patient.

    Parameters
    ----------
    array : np.ndarray, (C, D, H, W)
        Voxels, indexed by channel and then z, y, x of the file.
    spacing : tuple of 3 floats
        Distance of neighboring voxel centers along x, y, z, in mm.
    origin : tuple of 3 floats
        Center of the first voxel in patient coordinates (LPS), in mm.
    direction : tuple of 9 floats
        Cosines of the axes, row-major, LPS, as in ITK: column i is where index axis i points.

    Raises
    ------
    ValueError
        If the array is not 4D, or the geometry is not finite with positive spacing.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.array.ndim != 4:
            raise ValueError(f"a volume's array is (C, D, H, W), this one has shape {self.array.shape}")
        for name, length in (("spacing", 3), ("origin", 3), ("direction", 9)):
            numbers = tuple(float(number) for number in getattr(self, name))
            if len(numbers) != length or not np.isfinite(numbers).all():
                raise ValueError(f"a volume's {name} is {length} finite numbers, not {numbers}")
            object.__setattr__(self, name, numbers)
        if min(self.spacing) <= 0:
            raise ValueError(f"a volume's spacing is positive, not {self.spacing}")

    def __repr__(self) -> str:
        return (
            f"Volume(shape={self.array.shape}, dtype={self.array.dtype}, spacing={self.spacing}, "
            f"orientation={self.orientation!r})"
        )

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return self.array.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels as (D, H, W), that is z, y, x."""
        return self.array.shape[1:]

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels as (x, y, z), the order of `spacing`."""
        return self.shape[::-1]

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing)) / _MM3_PER_ML

    @property
    def orientation(self) -> str:
        """Where the x, y and z axes point (nibabel's convention): "LPS" for ITK's identity direction."""
        return orientation_letters(self.direction)

    @property
    def index_to_lps(self) -> np.ndarray:
        """The (4, 4) matrix from a voxel index (x, y, z, 1) to patient coordinates in mm (LPS)."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    def with_array(self, array: np.ndarray) -> Volume:
        """Return other voxels on the same grid.

        Parameters
        ----------
        array : np.ndarray, (C', D, H, W)
            The number of channels may differ, the spatial shape may not.

        Raises
        ------
        ValueError
            If the spatial shape differs.
        """
        if array.shape[1:] != self.shape:
            raise ValueError(f"shape {array.shape[1:]} does not fit the grid {self.shape}")
        return replace(self, array=array)

    def same_grid(self, other: Volume) -> bool:
        """Whether every voxel of `other` lies where this volume's voxel of the same index lies.

        Positions may differ by 1 % of the smallest spacing, since file headers round them.
        """
        if self.shape != other.shape:
            return False
        shift = corner_distance(self.index_to_lps, other.index_to_lps, self.size)
        return shift <= _GRID_TOLERANCE * min(self.spacing)

    def to_sitk(self) -> sitk.Image:
        """Return the volume as a SimpleITK image (a vector image when there are several channels)."""
        array = self.array.astype(np.uint8) if self.array.dtype == bool else self.array
        if self.channels == 1:
            image = sitk.GetImageFromArray(array[0])
        else:
            image = sitk.GetImageFromArray(np.moveaxis(array, 0, -1), isVector=True)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    @classmethod
    def from_array(
        cls,
        array: np.ndarray,
        spacing: Sequence[float],
        orientation: str,
        origin: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Volume:
        """Return an array as a volume whose axes run along those of the patient.

        Parameters
        ----------
        array : np.ndarray, (D, H, W) or (C, D, H, W)
            Numbers, indexed by z, y, x.
        spacing : sequence of 3 floats
            Distance of neighboring voxel centers along x, y, z, in mm.
        orientation : str
            Three letters such as "RAS": where x, y and z point.
        origin : sequence of 3 floats
            Center of the first voxel in patient coordinates (LPS), in mm.

        Raises
        ------
        TypeError
            If the array does not hold real numbers.
        ValueError
            If it is neither 3D nor 4D, or the geometry is not finite with positive spacing.
        OptionError
            If `orientation` is not one of the 48 orientations.

        Examples
        --------
        >>> volume = Volume.from_array(np.zeros((30, 40, 50)), spacing=(1, 1, 2.5), orientation="RAS")
        >>> volume.size
        (50, 40, 30)
        """
        if array.dtype.kind not in "buif":
            raise TypeError(f"voxels are real numbers, not {array.dtype}; convert the array first")
        if array.ndim not in (3, 4):
            raise ValueError(f"an array is (D, H, W) or (C, D, H, W), this one has shape {array.shape}")
        for name, numbers in (("spacing", spacing), ("origin", origin)):
            if np.shape(numbers) != (3,):
                raise ValueError(f"{name} is three numbers along x, y, z in mm, not {numbers!r}")
        axes, signs = _parse(orientation)
        cosines = np.zeros((3, 3))
        cosines[axes, range(3)] = signs
        # ITK knows neither half precision nor the byte order of another machine.
        dtype = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype.newbyteorder("=")
        array = array.astype(dtype, copy=False)
        return cls(array if array.ndim == 4 else array[np.newaxis], spacing, origin, tuple(cosines.ravel()))

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Volume:
        """Return a 3D SimpleITK image, scalar or vector, as a volume."""
        array = sitk.GetArrayFromImage(image)
        if image.GetNumberOfComponentsPerPixel() == 1:
            array = array[np.newaxis]
        else:
            array = np.ascontiguousarray(np.moveaxis(array, -1, 0))
        return cls(array, image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def corner_distance(first: np.ndarray, second: np.ndarray, size: tuple[int, int, int]) -> float:
    """Largest distance in mm between two placements of the same grid.

    Parameters
    ----------
    first, second : np.ndarray, (4, 4)
        Index-to-patient matrices. Both are affine, so the largest distance is at a corner voxel.
    size : tuple of 3 ints
        Number of voxels along x, y, z.
    """
    corners = np.stack(np.meshgrid(*[(0, count - 1) for count in size], [1], indexing="ij")).reshape(4, -1)
    return float(np.linalg.norm(((first - second) @ corners)[:3], axis=0).max())


_LETTERS = ("LR", "PA", "SI")  # per LPS axis: the letter of growing and of falling coordinates


def orientation_letters(direction: tuple[float, ...]) -> str:
    """Return where the x, y and z axes point, as three letters.

    Parameters
    ----------
    direction : tuple of 9 floats
        Cosines of the axes, row-major, LPS. Oblique axes get the letter of the nearest patient axis.
    """
    axes, signs = _nearest_patient_axes(direction)
    return "".join(_LETTERS[axis][sign < 0] for axis, sign in zip(axes, signs, strict=True))


def orient(volume: Volume, orientation: str) -> Volume:
    """Reorder and flip the axes so that they point where `orientation` says.

    No voxel is interpolated, every voxel stays where it is in the patient, and
    ``orient(orient(volume, "RAS"), volume.orientation)`` gives the volume back.

    Parameters
    ----------
    volume : Volume
        The image, of any orientation, oblique or not.
    orientation : str
        Three letters such as "RAS": where x, y and z shall point.

    Raises
    ------
    OptionError
        If `orientation` is not one of the 48 orientations.
    """
    wanted_axes, wanted_signs = _parse(orientation)
    axes, signs = _nearest_patient_axes(volume.direction)
    order = [axes.index(axis) for axis in wanted_axes]  # the old axis that becomes each new one
    flipped = [signs[old] != wanted for old, wanted in zip(order, wanted_signs, strict=True)]
    steps = volume.index_to_lps[:3, order]
    last = np.array(volume.size)[order] - 1
    cosines = np.reshape(volume.direction, (3, 3))[:, order] * np.where(flipped, -1.0, 1.0)
    return replace(
        volume,
        array=_rearranged(volume.array, order, flipped),
        spacing=tuple(volume.spacing[old] for old in order),
        origin=tuple(volume.origin + (steps * last * flipped).sum(axis=1)),
        direction=tuple(cosines.ravel()),
    )


def _rearranged(array: np.ndarray, order: list[int], flipped: list[bool]) -> np.ndarray:
    """Transpose and flip (C, D, H, W); index axis i (x, y, z) is array axis 3 - i."""
    array = array.transpose(0, *(3 - old for old in reversed(order)))
    array = np.flip(array, [3 - new for new in range(3) if flipped[new]])
    return np.ascontiguousarray(array)


def _nearest_patient_axes(direction: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Assign each index axis its own LPS axis, and the sign with which it runs along it."""
    cosines = np.reshape(direction, (3, 3))

    def alignment(axes: tuple[int, ...]) -> float:
        # Rounded, so that an exact tie (45 degrees) does not depend on the last bit of a cosine.
        return round(float(sum(abs(cosines[axis, index]) for index, axis in enumerate(axes))), 6)

    axes = max(permutations(range(3)), key=alignment)
    return axes, tuple(-1 if cosines[axis, index] < 0 else 1 for index, axis in enumerate(axes))


def _parse(orientation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The LPS axis of each letter, and the sign with which it runs along it."""
    letters = {
        letter: (axis, sign)
        for axis, pair in enumerate(_LETTERS)
        for letter, sign in zip(pair, (1, -1), strict=True)
    }
    found = [letters[letter] for letter in orientation if letter in letters]
    if len(orientation) != 3 or sorted(axis for axis, _ in found) != [0, 1, 2]:
        remedy = "use one letter each of R/L, A/P and S/I, such as RAS"
        raise OptionError(f"orientation {orientation!r}: not one of the 48 orientations; {remedy}")
    return tuple(axis for axis, _ in found), tuple(sign for _, sign in found)
