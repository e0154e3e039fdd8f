"""What a segmentation returns; command line, reports and Slicer read nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from TrustSegLib.bundle import Structure
    from TrustSegLib.imaging import Volume
    from TrustSegLib.uncertainty import StructureRow, StructureScores


@dataclass(frozen=True)
class Case:
    """Quality and warnings of the case as a whole.

    Attributes
    ----------
    quality : float or None
        Expected DSC of the worst structure; None without a calibration, or if only a part was segmented.
    warnings : tuple of str
        Sentences for the reader.
    """

    quality: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sides:
    """Volumes of an organ on both sides.

    Attributes
    ----------
    organ : str
        Such as "hippocampus": all structures of one side.
    volumes_ml : dict of str to float
        By the name of the side, such as "Left".
    total_ml : float
        Their sum.
    asymmetry_percent : float or None
        Difference of right and left in percent of their mean, positive if right is larger; None if one is
        not in the scan.
    """

    organ: str
    volumes_ml: dict[str, float]
    total_ml: float
    asymmetry_percent: float | None


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Mask, maps and figures of one image; all volumes lie on the image's own grid.

    Attributes
    ----------
    labels : Volume
        `(1, D, H, W)` uint8, 0 is background.
    maps : dict of str to Volume
        Uncertainty maps by name, `(1, D, H, W)` float32, 0 outside the region of interest. The error
        probability is calibrated if `contract.is_map_calibrated(calibration)`, else raw.
    structures : tuple of StructureRow
        One row per structure of the model; their mean uncertainty is the mean error probability.
    model : dict
        `name`, `version` and `sha256` of the bundle.
    scores : tuple of StructureScores
        Raw scores of each structure, never calibrated, in the order of `structures`.
    regions : tuple
        Places to look at, the most uncertain first.
    case : Case
        Quality and warnings of the case.
    calibration : dict or None
        Record of the model's calibration, figures of the parts that held on patients left out, and names of
        those that did not; see `Calibration.summary`.
    provenance : dict
        Versions, device, precision, engine, seconds per stage, patch, overlap, number of patches; and where
        the fields of view were found in a scan that was searched for them.
    anatomy : tuple of Structure
        Names, colors and codes of the labels: the model's, or those of each side.
    sides : Sides or None
        Where the scan was searched for both sides.
    """

    labels: Volume
    maps: dict[str, Volume]
    structures: tuple[StructureRow, ...]
    model: dict[str, str]
    scores: tuple[StructureScores, ...] = ()
    regions: tuple[Any, ...] = ()
    case: Case = Case()
    calibration: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    anatomy: tuple[Structure, ...] = ()
    sides: Sides | None = None

    def __repr__(self) -> str:
        volumes = ", ".join(f"{row.name}: {row.volume_ml:.3g} ml" for row in self.structures)
        return (
            f"SegmentationResult(model={self.model['name']!r}, structures=({volumes}), "
            f"maps=({', '.join(self.maps)}), regions={len(self.regions)}, quality={self.case.quality}, "
            f"warnings={len(self.case.warnings)})"
        )
