"""A calibration applied to the rows of a case: intervals, expected Dice coefficients, flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from TrustSegLib.uncertainty.calibration import Calibration
from TrustSegLib.uncertainty.expected_dsc import ExpectedDsc
from TrustSegLib.uncertainty.structure_scores import StructureScores
from TrustSegLib.uncertainty.volumes import StructureRow

EMPTY = "nothing was found of it: failed, unless it is absent"


def calibrated_rows(
    rows: Sequence[StructureRow], scores: Sequence[StructureScores], calibration: Calibration
) -> tuple[StructureRow, ...]:
    """Return the rows with what a calibration says of each structure.

    Parameters
    ----------
    rows : sequence of StructureRow
        Without intervals.
    scores : sequence of StructureScores
        Raw scores of the same structures, in the same order.
    calibration : Calibration
        Of the model that made the mask.
    """
    return tuple(_calibrated(row, raw, calibration) for row, raw in zip(rows, scores, strict=True))


def case_quality(rows: Sequence[StructureRow]) -> float | None:
    """Return the expected Dice coefficient of the worst structure; None if there is none for any."""
    return min((row.expected_dsc for row in rows if row.expected_dsc is not None), default=None)


def _calibrated(row: StructureRow, raw: StructureScores, calibration: Calibration) -> StructureRow:
    row = replace(row, volume_interval_ml=calibration.volume_interval_ml(raw))
    expected = calibration.expected_dsc(raw)
    if expected is None:
        return row
    return replace(
        row,
        expected_dsc=expected.value,
        expected_dsc_interval=(expected.low, expected.high),
        flag=_flag(raw, expected, calibration.qualities[raw.label].fail_below),
    )


def _flag(raw: StructureScores, expected: ExpectedDsc, fail_below: float) -> str | None:
    """One sentence with its reason; None if the structure is expected to be fine."""
    if raw.volume_ml == 0:
        return EMPTY
    if expected.value < fail_below:
        return (
            f"expected DSC {expected.value:.2f} ({expected.low:.2f}-{expected.high:.2f}), below "
            f"{fail_below:g}: likely to fail"
        )
    return None
