"""`Volume`: voxels with their geometry, and lossless reorientation by flips and transposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import OptionError

_MM3_PER_ML = 1000.0
_GRID_TOLERANCE = 0.01  # of a voxel: float32 positions in headers are off by far less
_LETTERS = ("LR", "PA", "SI")  # per LPS axis: letters of increasing and of decreasing coordinates


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image of one or more channels with its position in the patient.

    Parameters
    ----------
    array : np.ndarray, (C, D, H, W)
        Voxels, indexed by channel and then by z, y, x of the file.
    spacing : tuple of 3 floats
        Distance of neighboring voxel centers along x, y, z in mm.
    origin : tuple of 3 floats
        Center of the first voxel in patient coordinates (LPS) in mm.
    direction : tuple of 9 floats
        Direction cosines, row-major, LPS, as in ITK: column i is the direction of index axis i.
    notes : tuple of str
        What its reader found that a person should know, such as a position that the file does not give.
    modality, body_part : str
        As its DICOM header has them, such as "CT" and "HEADNECK"; empty if it has none, or is no DICOM.

    Raises
    ------
    ValueError
        The array is not 4D, or the geometry is not finite with positive spacing.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    notes: tuple[str, ...] = ()
    modality: str = ""
    body_part: str = ""

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
        """Directions of the x, y and z axes (nibabel's convention): "LPS" for ITK's identity."""
        return orientation_letters(self.direction)

    @property
    def index_to_lps(self) -> np.ndarray:
        """Matrix (4, 4) from a voxel index (x, y, z, 1) to patient coordinates (LPS) in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    def with_array(self, array: np.ndarray) -> Volume:
        """Return a volume of other voxels on the same grid.

        Parameters
        ----------
        array : np.ndarray, (C', D, H, W)
            The number of channels may differ, the spatial shape may not.

        Raises
        ------
        ValueError
            The spatial shape differs.
        """
        if array.shape[1:] != self.shape:
            raise ValueError(f"shape {array.shape[1:]} does not fit the grid {self.shape}")
        return replace(self, array=array)

    def same_grid(self, other: Volume) -> bool:
        """Whether the voxels of both volumes are at the same positions.

        Positions may differ by 1 % of the smallest spacing, as file headers round them.
        """
        if self.shape != other.shape:
            return False
        shift = corner_distance(self.index_to_lps, other.index_to_lps, self.size)
        return shift <= _GRID_TOLERANCE * min(self.spacing)

    def to_sitk(self) -> sitk.Image:
        """Convert to a SimpleITK image, a vector image for several channels."""
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
        """Convert from a 3D SimpleITK image, scalar or vector."""
        array = sitk.GetArrayFromImage(image)
        if image.GetNumberOfComponentsPerPixel() == 1:
            array = array[np.newaxis]
        else:
            array = np.ascontiguousarray(np.moveaxis(array, -1, 0))
        return cls(array, image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def orient(volume: Volume, orientation: str) -> Volume:
    """Reorder and flip the axes to an orientation.

    Nothing is interpolated and every voxel keeps its position in the patient, so that
    ``orient(orient(volume, "RAS"), volume.orientation)`` restores the volume.

    Parameters
    ----------
    volume : Volume
        An image of any orientation, oblique or not.
    orientation : str
        Directions of x, y and z as three letters, such as "RAS".

    Returns
    -------
    Volume
        The same voxels in the new order.

    Raises
    ------
    OptionError
        It is not one of the 48 orientations.
    """
    wanted_axes, wanted_signs = _parse(orientation)
    axes, signs = _nearest_patient_axes(volume.direction)
    order = [axes.index(axis) for axis in wanted_axes]  # old axis of each new one
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


def orientation_letters(direction: tuple[float, ...]) -> str:
    """Return the directions of the x, y and z axes as three letters.

    Parameters
    ----------
    direction : tuple of 9 floats
        Direction cosines, row-major, LPS. Oblique axes get the letter of the nearest patient axis.
    """
    axes, signs = _nearest_patient_axes(direction)
    return "".join(_LETTERS[axis][sign < 0] for axis, sign in zip(axes, signs, strict=True))


def corner_distance(first: np.ndarray, second: np.ndarray, size: tuple[int, int, int]) -> float:
    """Largest distance in mm between the voxels of two placements of a grid.

    Parameters
    ----------
    first, second : np.ndarray, (4, 4)
        Matrices from index to patient. As both are affine, a corner voxel has the largest distance.
    size : tuple of 3 ints
        Number of voxels along x, y, z.
    """
    corners = np.stack(np.meshgrid(*[(0, count - 1) for count in size], [1], indexing="ij")).reshape(4, -1)
    return float(np.linalg.norm(((first - second) @ corners)[:3], axis=0).max())


def _rearranged(array: np.ndarray, order: list[int], flipped: list[bool]) -> np.ndarray:
    """Transpose and flip (C, D, H, W); index axis i (x, y, z) is array axis 3 - i."""
    array = array.transpose(0, *(3 - old for old in reversed(order)))
    array = np.flip(array, [3 - new for new in range(3) if flipped[new]])
    return np.ascontiguousarray(array)


def _nearest_patient_axes(direction: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Assign each index axis a different LPS axis, and its sign along that."""
    cosines = np.reshape(direction, (3, 3))

    def alignment(axes: tuple[int, ...]) -> float:
        # Rounded, so that a tie (45 degrees) does not depend on the last bit of a cosine.
        return round(float(sum(abs(cosines[axis, index]) for index, axis in enumerate(axes))), 6)

    axes = max(permutations(range(3)), key=alignment)
    return axes, tuple(-1 if cosines[axis, index] < 0 else 1 for index, axis in enumerate(axes))


def _parse(orientation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """LPS axis and sign of each letter."""
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
