"""What a segmentation returns: the one thing that the command line, the reports and Slicer read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from TrustSegLib.imaging import Volume
    from TrustSegLib.uncertainty import StructureRow


class Cancelled(Exception):  # not an error: the user asked for it
    """The user stopped the work; there is no result."""


class Progress(NamedTuple):
    """How far the work is: `done` of `total` parts of a stage."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Case:
    """What is known about the case as a whole.

    Attributes
    ----------
    quality : float or None
        Expected DSC of the whole mask; None without a calibration.
    warnings : tuple of str
        Sentences for the reader.
    """

    quality: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Mask, maps and figures of one image; all volumes lie on the image's own grid.

    Attributes
    ----------
    labels : Volume
        `(1, D, H, W)` uint8, 0 is background.
    maps : dict of str to Volume
        Uncertainty maps by name, `(1, D, H, W)` float32, 0 outside the region of interest.
    structures : tuple of StructureRow
        One row per structure of the model; their mean uncertainty is the mean error probability.
    model : dict
        `name`, `version` and `sha256` of the bundle.
    regions : tuple
        Places to look at, the most uncertain first.
    case : Case
        Quality and warnings of the case.
    calibration : dict or None
        What the probabilities were calibrated with.
    provenance : dict
        Versions, device, precision, engine, seconds per stage, patch, overlap, number of patches.
    """

    labels: Volume
    maps: dict[str, Volume]
    structures: tuple[StructureRow, ...]
    model: dict[str, str]
    regions: tuple[Any, ...] = ()
    case: Case = Case()
    calibration: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
