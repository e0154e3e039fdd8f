"""Raw scores: as worked out by hand, and the same however the image is cut, mirrored or padded."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from TrustSegLib.imaging import Volume
from TrustSegLib.uncertainty import FEATURES, ScoreSums, StructureScores, uncertainty_map
from TrustSegLib.uncertainty import labels as labels_of
from TrustSegLib.uncertainty.structure_scores import surroundings

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def on_grid(array: np.ndarray) -> Volume:
    """Array (D, H, W) with voxels of 0.1 ml."""
    return Volume(array[None], (2.0, 5.0, 10.0), (0.0, 0.0, 0.0), IDENTITY)


def scores(mean: np.ndarray, variance: np.ndarray, step: int = 1000) -> tuple[StructureScores, ...]:
    """Scores of class moments (K, D, H, W) that come by a few rows at a time."""
    mask, error = labels_of(mean), uncertainty_map("error_probability", mean, variance)
    sums = ScoreSums(range(1, len(mean)))
    for first in range(0, mean.shape[1], step):
        rows = slice(first, first + step)
        sums.add(mean[:, rows], variance[:, rows], mask[rows])
    return sums.scores(on_grid(mask), on_grid(error))


def two_classes(p: list[float], sd: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """One row of voxels with one structure."""
    p, sd = (np.array(values, dtype=np.float32)[None, None] for values in (p, sd))
    return np.stack([1 - p, p]), np.stack([sd**2, sd**2])


def random_moments(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Blobs of probability in an image that is background at its border."""
    generator = np.random.default_rng(3)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (13, 15, 17)), indexing="ij")
    logits = [2 * np.ones_like(z)]
    for label in range(1, classes):
        distance = (z - 0.15 * label) ** 2 + (y + 0.2 * label) ** 2 + x**2
        logits.append(6 - 14 * distance + generator.normal(0, 0.7, z.shape))
    mean = np.exp(logits)
    mean /= mean.sum(axis=0)
    border = np.pad(np.ones((9, 11, 13), dtype=bool), 2)
    mean[:, ~border] = np.array([1.0, *[0.0] * (classes - 1)])[:, None]
    mean = mean.astype(np.float32)
    return mean, (mean * (1 - mean) * 0.1).astype(np.float32)


# p = .9 .8 .6 .45 .3 0; the mask is the first three. A voxel's label changes where p + z sd passes .5.
P = [0.9, 0.8, 0.6, 0.45, 0.3, 0.0]
SD = [0.1, 0.1, 0.2, 0.1, 0.1, 0.0]


def test_sums_of_probability_are_those_worked_out_by_hand() -> None:
    (found,) = scores(*two_classes(P, SD))
    assert found.label == 1
    assert found.volume_ml == pytest.approx(0.3)
    assert found.expected_volume_ml == pytest.approx(0.305, rel=1e-6)
    assert found.expected_dice == pytest.approx(2 * 2.3 / (3 + 3.05), rel=1e-6)


def test_spread_of_the_volume_is_that_worked_out_by_hand() -> None:
    (found,) = scores(*two_classes(P, SD))
    # z = +1: .45 + .1 comes in, 4 voxels; z = -1: .6 - .2 goes, 2 voxels. Above .159: 5, above .841: 1.
    assert found.volume_spread_ml == pytest.approx((4 - 2) / 2 * 0.1 + (5 - 1) / 2 * 0.1)


def test_sampled_dice_is_the_mean_over_the_masks_at_the_quantiles() -> None:
    (found,) = scores(*two_classes(P, SD))
    p, sd = np.array(P), np.array(SD)
    dice = []
    for z in quantiles():
        drawn = p + z * sd > 0.5
        dice.append(2 * drawn[:3].sum() / (3 + drawn.sum()))
    assert 0.7 < found.sampled_dice < 0.99
    assert found.sampled_dice == pytest.approx(np.mean(dice), rel=1e-12)


def test_error_is_summed_within_three_voxels_and_divided_by_the_surface_voxels() -> None:
    (found,) = scores(*two_classes([0.9, 0.8, 0.6, 0.45, 0.3, 0.1, 0.2, 0.2], [0.0] * 8))
    errors = [0.1, 0.2, 0.4, 0.45, 0.3, 0.1]
    # In one row of voxels each voxel is at the surface.
    assert found.boundary_uncertainty == pytest.approx(sum(errors) / 3, rel=1e-6)
    assert found.mean_error == pytest.approx(sum(errors) / 6, rel=1e-6)


def test_surface_of_a_cube_is_its_shell() -> None:
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[3:8, 4:9, 4:9] = 2
    found = surroundings(labels, 2, np.ones(labels.shape, dtype=np.float32))
    assert found.surface_voxels == 5**3 - 3**3
    assert found.voxels == found.error_sum
    assert found.voxels > 5**3 + 6 * 25 * 3 - 1


def test_structure_between_two_others_gives_way_to_the_stronger_one() -> None:
    mean = np.array([0.35, 0.4, 0.25], dtype=np.float32).reshape(3, 1, 1, 1)
    variance = np.array([0.0, 0.03**2, 0.0], dtype=np.float32).reshape(3, 1, 1, 1)
    # The rival gets .35 / .6 of what is left: equal at .35 / .95 = .368, which is .0316 below .4.
    assert scores(mean, variance)[0].volume_spread_ml == pytest.approx(0.05)
    variance[1] = 0.033**2
    assert scores(mean, variance)[0].volume_spread_ml == pytest.approx(0.05 + 0.05)


def test_network_without_variance_draws_its_own_mask_only() -> None:
    mean, variance = random_moments()
    for found in scores(mean, 0 * variance):
        assert found.volume_ml > 0
        assert found.sampled_dice == 1.0


def test_tied_voxel_without_variance_stays_in_its_mask() -> None:
    mean = np.full((2, 1, 1, 2), 0.5, dtype=np.float32)
    mean[:, 0, 0, 0] = (0.2, 0.8)
    (found,) = scores(mean, 0 * mean)
    assert (found.volume_ml, found.sampled_dice) == (pytest.approx(0.1), 1.0)


@pytest.mark.parametrize("step", [1, 2, 5, 13])
def test_scores_do_not_depend_on_how_many_rows_come_at_a_time(step: int) -> None:
    moments = random_moments()
    assert scores(*moments, step=step) == scores(*moments)


def test_surroundings_do_not_depend_on_the_slabs() -> None:
    mean, variance = random_moments()
    labels, error = labels_of(mean), uncertainty_map("error_probability", mean, variance)
    whole = surroundings(labels, 1, error)
    assert whole.surface_voxels > 50
    for voxels in (1, 700, 2000):
        assert surroundings(labels, 1, error, slab_voxels=voxels) == whole


def same(first: tuple[StructureScores, ...], second: tuple[StructureScores, ...]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(
        math.isclose(getattr(a, name), getattr(b, name), rel_tol=1e-9) for a, b in pairs for name in FEATURES
    )


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_scores_do_not_depend_on_mirroring(axis: int) -> None:
    mean, variance = random_moments()
    assert same(scores(np.flip(mean, axis), np.flip(variance, axis)), scores(mean, variance))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scores_do_not_depend_on_background_around_the_image(axis: int) -> None:
    mean, variance = random_moments()
    # Structures touch the border that the padding moves away.
    mean, variance = mean[:, 4:-2, 4:-2, 4:-2], variance[:, 4:-2, 4:-2, 4:-2]
    width = [(0, 0)] * 4
    width[axis + 1] = (4, 5)
    padded = np.pad(mean, width)
    padded[0] += padded.sum(axis=0) < 0.5
    found, expected = scores(padded, np.pad(variance, width)), scores(mean, variance)
    for name in set(FEATURES) - {"mean_error"}:  # a mean near the image's end has fewer voxels around it
        for one, other in zip(found, expected, strict=True):
            assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_empty_structure_has_finite_scores() -> None:
    mean, variance = two_classes([0.3, 0.4, 0.1], [0.1, 0.2, 0.0])
    (found,) = scores(mean, variance)
    assert found.volume_ml == 0
    assert found.expected_volume_ml == pytest.approx(0.08)
    assert found.volume_spread_ml > 0
    assert [found.expected_dice, found.sampled_dice, found.boundary_uncertainty, found.mean_error] == [0] * 4


def test_voxels_outside_the_region_of_interest_do_not_count() -> None:
    mean, variance = two_classes(P, SD)
    inside = np.array([[[True, True, False, True, True, True]]])
    sums = ScoreSums([1])
    mask = labels_of(mean)
    sums.add(mean, variance, mask, inside)
    part = on_grid(np.where(inside, mask, 0))
    (found,) = sums.scores(part, on_grid(np.zeros((1, 1, 6))))
    assert found.volume_ml == pytest.approx(0.2)
    assert found.expected_volume_ml == pytest.approx(0.245)
    assert found.expected_dice == pytest.approx(2 * 1.7 / (2 + 2.45))


def test_scores_are_plain_numbers_for_json() -> None:
    found = scores(*random_moments())[1]
    assert found.label == 2
    assert {type(getattr(found, name)) for name in FEATURES} == {float}


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_every_voxel_that_a_sampled_mask_can_contain_is_counted(classes: int) -> None:
    # Just enough probability and the largest variance there is, against rivals that are all the same.
    p = np.linspace(0.001, 1 / classes - 0.01, 400, dtype=np.float32)
    mean = np.stack([p, *[(1 - p) / (classes - 1)] * (classes - 1)])[:, None, None]
    mean = np.roll(mean, 1, axis=0)
    sure = np.eye(classes, dtype=np.float32)[1].reshape(-1, 1, 1, 1)
    mean = np.concatenate([mean, np.repeat(sure, 400, axis=3)], axis=3)
    variance = mean * (1 - mean)
    (found, *_) = scores(mean, variance)
    z = NormalDist().inv_cdf(0.975)
    coming = np.count_nonzero(p + z * np.sqrt(p * (1 - p)) > 1 / classes)
    assert 0 < coming < 400
    sizes = [400 + np.count_nonzero(p + q * np.sqrt(p * (1 - p)) > 1 / classes) for q in quantiles()]
    assert found.sampled_dice == pytest.approx(np.mean([800 / (400 + size) for size in sizes]), rel=2e-4)


def quantiles() -> list[float]:
    """Normal numbers of the masks drawn."""
    return [NormalDist().inv_cdf((index + 0.5) / 20) for index in range(20)]
