"""Orientation letters and exact reorientation: flips and transposes only, no voxel value changes.

The letters say where an axis points *to*, as in nibabel: "RAS" means that x grows towards the right, y
towards the front (anterior) and z towards the head (superior). ITK's identity direction is "LPS" in this
convention.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from TrustSegLib.errors import OptionError

if TYPE_CHECKING:
    from TrustSegLib.imaging.volume import Volume

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
