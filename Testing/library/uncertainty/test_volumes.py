"""The row of each structure: volume in ml and mean uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty import StructureRow, structure_rows


class Structure(NamedTuple):
    """The least that a structure must be."""

    label: int
    name: str


ANTERIOR, POSTERIOR = Structure(1, "Anterior"), Structure(2, "Posterior")


def volume(array: np.ndarray, spacing: tuple[float, float, float] = (2.0, 5.0, 10.0)) -> Volume:
    """Put an array (D, H, W) into a volume with voxels of 0.1 ml."""
    return Volume(array[None], spacing, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


MASK = np.array([[[0, 1, 1], [0, 1, 2]], [[2, 2, 0], [0, 0, 0]]], dtype=np.uint8)
DOUBT = np.array([[[0.9, 0.1, 0.2], [0.9, 0.3, 0.5]], [[0.4, 0.3, 0.9], [0.9, 0.9, 0.9]]], dtype=np.float32)


def test_rows_have_volumes_in_ml_and_means_over_their_own_voxels() -> None:
    rows = structure_rows(volume(MASK), volume(DOUBT), (POSTERIOR, ANTERIOR))
    assert [(row.label, row.name) for row in rows] == [(2, "Posterior"), (1, "Anterior")]
    assert [row.volume_ml for row in rows] == [pytest.approx(0.3), pytest.approx(0.3)]
    assert [row.mean_uncertainty for row in rows] == [pytest.approx(0.4), pytest.approx(0.2)]


def test_mean_of_an_empty_structure_is_none() -> None:
    (row,) = structure_rows(volume(0 * MASK), volume(DOUBT), (ANTERIOR,))
    assert row == StructureRow(label=1, name="Anterior", volume_ml=0.0, mean_uncertainty=None)


def test_calibrated_figures_are_none_without_a_calibration() -> None:
    (row,) = structure_rows(volume(MASK), volume(DOUBT), (ANTERIOR,))
    assert (row.volume_interval_ml, row.expected_dsc, row.flag) == (None, None, None)


def test_numbers_are_plain_for_json() -> None:
    (row,) = structure_rows(volume(MASK), volume(DOUBT), (ANTERIOR,))
    assert type(row.volume_ml) is float
    assert type(row.mean_uncertainty) is float


def test_mean_of_many_voxels_is_exact_beyond_float32_sums() -> None:
    mask = np.ones((8, 512, 512), dtype=np.uint8)
    (row,) = structure_rows(volume(mask), volume(np.full(mask.shape, 0.1, dtype=np.float32)), (ANTERIOR,))
    assert row.mean_uncertainty == pytest.approx(np.float32(0.1), rel=1e-9)


@pytest.mark.parametrize("other", [volume(DOUBT, (1.0, 1.0, 1.0)), volume(DOUBT[:1])])
def test_map_on_another_grid_is_refused(other: Volume) -> None:
    with pytest.raises(ValueError, match="same grid"):
        structure_rows(volume(MASK), other, (ANTERIOR,))


def test_label_255_is_counted() -> None:
    mask = 255 * (MASK > 0).astype(np.uint8)
    (row,) = structure_rows(volume(mask), volume(DOUBT), (Structure(255, "Last"),))
    assert row.volume_ml == pytest.approx(0.6)
