"""The part of a case that a picture shows: three planes through one voxel, in the radiological view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.imaging import Volume, orient
from TrustSegLib.report.planes import DISPLAY_ORIENTATION, Plane, center_index, field_of_view

OBLIQUE_FROM_DEGREES = 5.0


@dataclass(frozen=True)
class Scene:
    """What a picture shows, as arrays whose axes point (inferior, posterior, left).

    Attributes
    ----------
    image, labels, uncertainty : np.ndarray
        (D, H, W), cropped to the field of view.
    spacing : tuple of float
        (z, y, x) in mm.
    index : tuple of int
        Voxel (z, y, x) on all three planes.
    point_ras : np.ndarray
        Its position in RAS mm.
    window : tuple of float
        Image values shown black and white.
    oblique : tuple of bool
        For each array axis, whether the plane across it is oblique to the body's planes.
    """

    image: np.ndarray
    labels: np.ndarray
    uncertainty: np.ndarray
    spacing: tuple[float, float, float]
    index: tuple[int, int, int]
    point_ras: np.ndarray
    window: tuple[float, float]
    oblique: tuple[bool, bool, bool]

    def plane_name(self, plane: Plane) -> str:
        """Name of a plane, which says whether it is oblique."""
        return f"{plane.name}, oblique" if self.oblique[plane.axis] else plane.name

    def size_mm(self, plane: Plane) -> tuple[float, float]:
        """Extent of a plane's slice: (rows, columns) in mm."""
        return plane.extent(tuple(n * step for n, step in zip(self.image.shape, self.spacing, strict=True)))


@dataclass(frozen=True)
class Oriented:
    """Image, labels and uncertainty with the axes of the radiological view, for any number of scenes.

    Attributes
    ----------
    image, labels, uncertainty : Volume
        On one grid, oriented `DISPLAY_ORIENTATION`.
    """

    image: Volume
    labels: Volume
    uncertainty: Volume

    @classmethod
    def of(cls, image: Volume, labels: Volume, uncertainty: Volume) -> Oriented:
        """Orient three volumes on one grid of any orientation."""
        return cls(*(orient(volume, DISPLAY_ORIENTATION) for volume in (image, labels, uncertainty)))

    @property
    def mask(self) -> np.ndarray:
        """Voxels of any structure, bool (D, H, W)."""
        return self.labels.array[0] > 0

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x) in mm."""
        return self.image.spacing[::-1]

    def index_of(self, point_ras: Sequence[float]) -> tuple[int, int, int]:
        """Index (z, y, x) of the voxel at a position, or of the nearest one."""
        point_lps = np.asarray(point_ras, dtype=float) * LPS_FROM_RAS
        index = np.linalg.solve(self.image.index_to_lps, (*point_lps, 1))[:3][::-1]
        return tuple(
            int(np.clip(round(float(at)), 0, size - 1))
            for at, size in zip(index, self.image.shape, strict=True)
        )

    def scene(
        self,
        index: tuple[int, int, int],
        view: tuple[slice, slice, slice],
        window: tuple[float, float] | None = None,
    ) -> Scene:
        """Crop to a view, with the planes through one voxel; for the window see `make_scene`."""
        shown = self.image.array[0][view]
        return Scene(
            image=shown,
            labels=self.labels.array[0][view],
            uncertainty=self.uncertainty.array[0][view],
            spacing=self.spacing,
            index=tuple(at - part.start for at, part in zip(index, view, strict=True)),
            point_ras=_position_ras(self.image, index),
            window=window or _percentile_window(shown),
            oblique=_oblique(self.image),
        )


def make_scene(
    volume: Volume, labels: Volume, uncertainty: Volume, window: tuple[float, float] | None = None
) -> Scene:
    """Choose planes and field of view for three volumes, and orient them for the radiological view.

    Parameters
    ----------
    volume : Volume
        The image, (C, D, H, W) of any orientation; its first channel is shown.
    labels, uncertainty : Volume
        (1, D, H, W) on the grid of `volume`.
    window : tuple of float, optional
        Image values shown black and white; default: percentiles .5 and 99.5 of what is shown.
    """
    oriented = Oriented.of(volume, labels, uncertainty)
    mask = oriented.mask
    return oriented.scene(center_index(mask), field_of_view(mask, oriented.spacing), window)


def _position_ras(volume: Volume, index: tuple[int, int, int]) -> np.ndarray:
    point_lps = volume.index_to_lps @ (*index[::-1], 1)
    return point_lps[:3] * LPS_FROM_RAS


def _oblique(volume: Volume) -> tuple[bool, bool, bool]:
    along_body_axis = np.abs(np.diag(np.reshape(volume.direction, (3, 3))))
    smallest = np.cos(np.radians(OBLIQUE_FROM_DEGREES))
    return tuple(bool(cosine < smallest) for cosine in along_body_axis[::-1])


def _percentile_window(image: np.ndarray) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    return (low, high) if high > low else (low, low + 1.0)
