"""One pass over a volume in patches gives the blended class moments of every voxel."""

from __future__ import annotations

import gc
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from TrustSegLib.errors import OptionError, TrustSegError
from TrustSegLib.inference import Cancelled, Progress, Storage, Window, sliding_window
from TrustSegLib.inference.blending import gaussian_weight
from TrustSegLib.inference.sliding_window import pad_to_patch, patch_starts, patch_tasks, starts
from TrustSegLib.inference.stages import Stages
from TrustSegLib.moments import ClassMoments


class ConstantNetwork(torch.nn.Module):
    """Predicts the same moments for every voxel."""

    mean = torch.tensor([0.7, 0.2, 0.1])
    variance = torch.tensor([0.04, 0.09, 0.01])

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        shape = (len(patches), 3, *patches.shape[2:])
        mean, variance = (value.view(1, 3, 1, 1, 1).expand(shape) for value in (self.mean, self.variance))
        return ClassMoments(mean, variance)


class NanNetwork(ConstantNetwork):
    """Returns one NaN, in the mean or in the variance."""

    def __init__(self, broken: str) -> None:
        super().__init__()
        self.broken = broken

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        moments = super().class_moments(patches)
        broken = getattr(moments, self.broken).clone()
        broken[-1, 1, 2, 2, 2] = float("nan")
        return moments._replace(**{self.broken: broken})


def _array(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((1, *shape)).astype(np.float32)


def _whole_accumulators(
    array: np.ndarray, network: torch.nn.Module, patch: tuple[int, int, int], overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same average without streaming, batches or float32: every sum as large as the volume."""
    sums, total = 0.0, np.zeros(array.shape[1:])
    weight = gaussian_weight(patch).double().numpy()
    for corner in patch_starts(array.shape[1:], patch, overlap):
        box = tuple(slice(first, first + size) for first, size in zip(corner, patch, strict=True))
        mean, variance = network.class_moments(torch.from_numpy(array[(slice(None), *box)][None]).double())
        placed = np.zeros((2, mean.shape[1], *array.shape[1:]))
        placed[(..., *box)] = weight * np.stack([mean[0].numpy(), variance[0].sqrt().numpy()])
        sums, total[box] = sums + placed, total[box] + weight
    mean, deviation = sums / total
    return mean, deviation**2


@pytest.mark.parametrize("shape", [(13, 9, 22), (8, 8, 8), (3, 17, 5)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
def test_constant_output_is_constant_everywhere(shape: tuple[int, int, int], overlap: float) -> None:
    mean, variance = sliding_window(_array(shape), ConstantNetwork(), (8, 8, 8), window=Window(overlap))
    assert mean.shape == variance.shape == (3, *shape)
    assert mean.dtype == variance.dtype == np.float32
    for index in range(3):
        np.testing.assert_allclose(mean[index], ConstantNetwork.mean[index], rtol=1e-6)
        np.testing.assert_allclose(variance[index], ConstantNetwork.variance[index], rtol=5e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_rolling_blend_equals_whole_accumulators(context: torch.nn.Module, batch_size: int) -> None:
    array = _array((19, 11, 14))
    found = sliding_window(array, context, (8, 6, 8), window=Window(0.6, batch_size))
    expected = _whole_accumulators(array, context, (8, 6, 8), 0.6)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-5, atol=1e-7)


def test_volume_smaller_than_a_patch_keeps_its_own_voxels(pointwise: torch.nn.Module) -> None:
    array = _array((5, 20, 3)).clip(0, 1)
    mean, variance = sliding_window(array, pointwise, (8, 8, 8))
    np.testing.assert_allclose(mean[1], 0.1 + 0.8 * array[0], rtol=1e-5)
    np.testing.assert_allclose(variance, 0.5 * mean * (1 - mean), rtol=1e-4)


def test_files_and_memory_give_the_same_bits(context: torch.nn.Module) -> None:
    array = _array((19, 11, 14))
    in_memory = sliding_window(array, context, (8, 6, 8))
    in_files = sliding_window(array, context, (8, 6, 8), storage=Storage(memory_gb=0.0))
    for expected, found in zip(in_memory, in_files, strict=True):
        assert isinstance(found, np.memmap)
        assert not isinstance(expected, np.memmap)
        np.testing.assert_array_equal(found, expected)


def test_progress_counts_all_patches_after_every_batch(context: torch.nn.Module) -> None:
    steps: list[Progress] = []
    sliding_window(_array((8, 8, 20)), context, (8, 8, 8), window=Window(0.5, 3), stages=Stages(steps.append))
    assert steps == [Progress("predict", 3, 4), Progress("predict", 4, 4)]


class Counting(torch.nn.Module):
    """Counts the patches that a network computes."""

    size_divisor = 1

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.patches = network, 0

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        self.patches += len(patches)
        return self.network.class_moments(patches)


def _body_in_air(air: float) -> np.ndarray:
    array = np.full((2, 12, 16, 40), air, np.float32)
    array[:, 3:9, 4:12, 14:25] = np.random.default_rng(1).random((2, 6, 8, 11), np.float32)
    return array


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("air", [0.0, -3.25])
def test_air_is_computed_once_and_changes_nothing(direction, batch_size: int, air: float) -> None:
    array = _body_in_air(air)[:1]
    network, steps = Counting(direction), []
    window = Window(0.5, batch_size)
    found = sliding_window(array, network, (8, 8, 8), window=window, stages=Stages(steps.append))
    expected = _whole_accumulators(array, direction, (8, 8, 8), 0.5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
    patches = len(patch_starts(array.shape[1:], (8, 8, 8), 0.5))
    assert 0 < network.patches < patches
    assert steps[-1] == Progress("predict", network.patches, network.patches)
    assert all(one.done < other.done for one, other in itertools.pairwise(steps))


def test_patches_of_different_values_are_told_apart() -> None:
    array = np.zeros((2, 8, 8, 40), np.float32)
    array[0, ..., 20:] = 1.0
    array[1, ..., 32:] = 1.0
    tasks = patch_tasks(array, (8, 8, 4), 0.0)
    assert [task.known for task in tasks] == [False, True, True, True, True, False, True, True, False, True]


def test_one_deviating_voxel_is_no_air() -> None:
    array = np.zeros((1, 8, 8, 16), np.float32)
    array[0, 7, 7, 15] = 1e-6
    assert [task.values is None for task in patch_tasks(array, (8, 8, 8), 0.0)] == [False, True]


def test_cancelling_stops_between_batches_and_leaves_no_file(
    context: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    maps = Path("/proc/self/maps")
    steps: list[Progress] = []
    mapped: list[bool] = []

    def cancelled() -> bool:
        mapped.append(maps.exists() and str(tmp_path) in maps.read_text(encoding="utf-8"))
        return len(steps) == 2

    with pytest.raises(Cancelled) as stopped:
        sliding_window(
            _array((8, 8, 40)),
            context,
            (8, 8, 8),
            window=Window(batch_size=1),
            storage=Storage(memory_gb=0.0),
            stages=Stages(steps.append, cancelled),
        )
    assert [step.done for step in steps] == [1, 2]
    del stopped
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    if maps.exists():
        assert mapped == [False, True, True]
        assert str(tmp_path) not in maps.read_text(encoding="utf-8")


@pytest.mark.parametrize("broken", ["mean", "variance"])
def test_output_that_is_not_finite_is_an_error(broken: str) -> None:
    with pytest.raises(TrustSegError, match="NaN or infinite"):
        sliding_window(_array((8, 8, 12)), NanNetwork(broken), (8, 8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, "overlap"),
        ({"overlap": -0.1}, "overlap"),
        ({"batch_size": 0}, "batch size"),
        ({"precision": "half"}, "precision"),
    ],
)
def test_window_with_an_invalid_value_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Window(**options)


@pytest.mark.parametrize("patch_shape", [(8, 8, 6), (8, 8, 0)])
def test_patch_that_does_not_fit_the_network_is_refused(
    pointwise: torch.nn.Module, patch_shape: tuple[int, int, int]
) -> None:
    with pytest.raises(OptionError, match="multiples"):
        sliding_window(_array((8, 8, 8)), pointwise, patch_shape)


def test_network_runs_without_gradients() -> None:
    class Learned(ConstantNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(()))
            self.grad_modes: list[bool] = []

        def class_moments(self, patches: torch.Tensor) -> ClassMoments:
            self.grad_modes.append(torch.is_grad_enabled())
            mean, variance = super().class_moments(patches)
            return ClassMoments(mean + self.shift, variance)

    network = Learned()
    sliding_window(_array((8, 8, 12)), network, (8, 8, 8))
    assert network.grad_modes == [False]


@settings(max_examples=200, deadline=None)
@given(patch=st.integers(1, 40), extra=st.integers(0, 100), overlap=st.floats(0, 0.9))
def test_voxels_are_covered_and_neighbors_overlap_as_requested(
    patch: int, extra: int, overlap: float
) -> None:
    size = patch + extra
    found = starts(size, patch, overlap)
    assert found[0] == 0
    assert found[-1] == size - patch
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (steps <= max(1, patch * (1 - overlap) + 1e-6)).all()


def test_number_of_patches_is_the_smallest_for_the_overlap() -> None:
    # 240 x 240 x 155 at 96 with a quarter overlapping: 18 patches, as MONAI has.
    assert len(patch_starts((240, 240, 155), (96, 96, 96), 0.25)) == 18


def test_rounding_of_the_overlap_adds_no_patches() -> None:
    # 10 * (1 - .8) is 1.9999999999999996.
    assert starts(20, 10, 0.8) == [0, 2, 4, 6, 8, 10]


def test_patches_come_in_the_order_of_the_first_axis() -> None:
    first = [corner[0] for corner in patch_starts((20, 9, 9), (8, 4, 4), 0.5)]
    assert first == sorted(first)
    assert len(set(first)) == 4


def test_unpadded_volume_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="pad first"):
        starts(5, 8, 0.5)


def test_padding_repeats_the_border_and_slices_crop_it() -> None:
    array = np.arange(1, 13, dtype=np.float32).reshape(1, 2, 2, 3)
    padded, inner = pad_to_patch(array, (4, 2, 6))
    assert padded.shape == (1, 4, 2, 6)
    np.testing.assert_array_equal(padded[(slice(None), *inner)], array)
    np.testing.assert_array_equal(padded[:, 0], padded[:, 1])
    np.testing.assert_array_equal(padded[:, 3], padded[:, 2])
    np.testing.assert_array_equal(padded[..., 0], padded[..., 1])
    np.testing.assert_array_equal(padded[..., 5], padded[..., 3])


def test_large_enough_volume_is_returned_without_a_copy() -> None:
    array = np.zeros((1, 4, 4, 4), dtype=np.float32)
    assert pad_to_patch(array, (4, 2, 3))[0] is array
