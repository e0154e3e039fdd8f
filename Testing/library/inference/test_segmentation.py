"""An image and a model in, mask and maps on the image's own grid out."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TrustSegLib.contract import MAP_NAMES
from TrustSegLib.errors import BundleError, ImageError, OptionError, TrustSegError
from TrustSegLib.imaging import Volume, normalize, orient, resample
from TrustSegLib.inference import Cancelled, Progress, SegmentOptions, segment
from TrustSegLib.moments import ClassMoments
from TrustSegLib.networks import NetworkSpec, build

MakeModel = Callable[..., SimpleNamespace]
MakeVolume = Callable[..., Volume]
ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]


def _dsc(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_mask_is_the_same_for_every_orientation_of_the_file(
    make_model: MakeModel,
    make_volume: MakeVolume,
    direction: torch.nn.Module,
    rotation: np.ndarray,
    orientation: str,
) -> None:
    volume = make_volume(shape=(9, 10, 13), spacing=(1.0, 1.5, 2.0), rotation=rotation)
    model = make_model(direction, structures=3, spacing=(1.0, 1.5, 2.0))
    # Reoriented by SimpleITK, so that our own reorientation is not its own judge.
    turned = Volume.from_sitk(sitk.DICOMOrient(volume.to_sitk(), orientation))
    assert turned.orientation == orientation
    result = segment(turned, model)
    assert result.labels.same_grid(turned)
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(result.labels.to_sitk(), "RAS"))
    expected = segment(volume, model).labels.array[0]
    for label in range(1, 4):
        assert np.count_nonzero(expected == label) > 50
        assert _dsc(back == label, expected == label) == 1.0
    uncertainty = result.maps["error_probability"].to_sitk()
    expected_map = segment(volume, model).maps["error_probability"].array[0]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.DICOMOrient(uncertainty, "RAS")), expected_map)


def test_network_gets_the_orientation_of_its_training(
    make_model: MakeModel, make_volume: MakeVolume, direction: torch.nn.Module
) -> None:
    volume = make_volume(shape=(8, 8, 8))
    ramp = np.broadcast_to(np.linspace(0, 1, 3)[np.arange(8) % 3], (1, 8, 8, 8))
    towards_anterior = volume.with_array(np.ascontiguousarray(ramp.transpose(0, 1, 3, 2), dtype=np.float32))
    labels = segment(orient(towards_anterior, "PSL"), make_model(direction, structures=3)).labels.array
    assert set(np.unique(labels)) == {0, 2}


def test_result_of_an_oblique_anisotropic_image_is_on_its_own_grid(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module, rotation: np.ndarray
) -> None:
    image = orient(make_volume(shape=(9, 24, 20), spacing=(0.8, 0.9, 2.4), rotation=rotation), "IPR")
    model = make_model(pointwise, spacing=(1.2, 1.2, 1.2))
    options = SegmentOptions(maps=("error_probability", "predictive_variance"))
    result = segment(image, model, options)

    resampled = resample(orient(image, "RAS"), (1.2, 1.2, 1.2))
    prepared = normalize(resampled, model.description.input.normalization)
    q = 0.1 + 0.8 * prepared.array
    expected_q, expected_sd = (
        sitk.GetArrayFromImage(
            sitk.Resample(
                prepared.with_array(values).to_sitk(), image.to_sitk(), sitk.Transform(), sitk.sitkLinear
            )
        )
        for values in (q, np.sqrt(0.5 * q * (1 - q)))
    )
    labels = result.labels.array[0]
    is_tie = np.abs(expected_q - 0.5) < 1e-4
    assert 0.2 < (expected_q > 0.5).mean() < 0.8
    np.testing.assert_array_equal(labels[~is_tie], (expected_q > 0.5)[~is_tie])
    expected_error = np.minimum(expected_q, 1 - expected_q)
    np.testing.assert_allclose(result.maps["error_probability"].array[0], expected_error, atol=1e-4)
    np.testing.assert_allclose(result.maps["predictive_variance"].array[0], expected_sd**2, atol=1e-4)
    for volume in (result.labels, *result.maps.values()):
        assert volume.same_grid(image)


def test_ball_keeps_its_position_in_the_patient(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module, rotation: np.ndarray
) -> None:
    image = orient(make_volume(shape=(16, 40, 36), spacing=(0.8, 0.9, 2.0), rotation=rotation), "SLA")
    z, y, x = np.meshgrid(*map(np.arange, image.shape), indexing="ij")
    points = np.stack([x, y, z, np.ones_like(x)]).reshape(4, -1)
    points = (image.index_to_lps @ points)[:3]
    distance = np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=0).reshape(image.shape)
    ball = distance < 10.0
    soft = 1 / (1 + np.exp((distance - 10.0) / 0.8))
    labels = segment(
        image.with_array(soft[None].astype(np.float32)), make_model(pointwise, spacing=(1.0, 1.0, 1.0))
    ).labels.array[0]
    assert _dsc(labels == 1, ball) > 0.98
    positions = points.reshape(3, *image.shape)
    shift = positions[:, labels == 1].mean(axis=1) - positions[:, ball].mean(axis=1)
    assert np.abs(shift).max() < 0.05


def test_values_on_the_same_grid_are_exact(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    # As scanners write it: a few thousandths of a voxel over the whole image.
    image = orient(make_volume(spacing=(0.10005, 0.7, 1.2996)), "LPS")
    result = segment(image, make_model(pointwise, spacing=(0.1, 0.7, 1.3)))
    q = 0.1 + 0.8 * image.array[0]
    np.testing.assert_array_equal(result.labels.array[0], q > 0.5)
    np.testing.assert_allclose(result.maps["error_probability"].array[0], np.minimum(q, 1 - q), atol=1e-6)


def test_files_and_memory_give_the_same_result(
    make_model: MakeModel, make_volume: MakeVolume, context: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, model = make_volume(), make_model(context, structures=2, spacing=(1.0, 1.2, 0.9))
    opened: list[object] = []
    open_file = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **how: opened.append(how) or open_file(**how))
    results = [segment(image, model, SegmentOptions(maps=MAP_NAMES))]
    assert opened == []
    results.append(segment(image, model, SegmentOptions(maps=MAP_NAMES, memory_gb=0.0)))
    assert len(opened) == 2
    np.testing.assert_array_equal(results[0].labels.array, results[1].labels.array)
    for name in MAP_NAMES:
        np.testing.assert_array_equal(results[0].maps[name].array, results[1].maps[name].array)
        assert not isinstance(results[1].maps[name].array, np.memmap)


def test_restoring_in_chunks_equals_restoring_at_once(
    make_model: MakeModel, make_volume: MakeVolume, context: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, model = make_volume(), make_model(context, structures=2, spacing=(1.0, 1.2, 0.9))
    steps: list[Progress] = []
    whole = segment(image, model)
    monkeypatch.setattr("TrustSegLib.inference.mask_and_maps.CHUNK_BYTES", 10_000)
    chunked = segment(image, model, progress=steps.append)
    assert sum(step.stage == "restore" for step in steps) > 3
    np.testing.assert_array_equal(chunked.labels.array, whole.labels.array)
    np.testing.assert_allclose(
        chunked.maps["error_probability"].array, whole.maps["error_probability"].array, atol=1e-6
    )


def test_only_requested_maps_are_returned_and_rows_have_the_error_probability(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image, model = make_volume(), make_model(pointwise)
    errors = segment(image, model).maps["error_probability"].array
    result = segment(image, model, SegmentOptions(maps=("entropy",)))
    assert list(result.maps) == ["entropy"]
    row = result.structures[0]
    inside = result.labels.array == 1
    assert (row.label, row.name) == (1, "Structure 1")
    assert row.mean_uncertainty == pytest.approx(errors[inside].mean(), rel=1e-5)
    assert row.volume_ml == pytest.approx(inside.sum() / 1000)


def test_error_of_a_wrong_channel_count_names_expected_and_found(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    with pytest.raises(ImageError, match=r"has 2 channels, model fake expects 1 \(T1\)"):
        segment(make_volume(channels=2), make_model(pointwise))


def test_notes_of_the_reader_are_warnings_of_the_case(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image = replace(make_volume(), notes=("the file gives no origin",))
    assert "the file gives no origin" in segment(image, make_model(pointwise)).case.warnings


def test_image_with_nan_is_refused(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    image = make_volume()
    image.array[0, 3, 4, 5] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        segment(image, make_model(pointwise))


def test_nan_from_the_network_is_an_error(make_model: MakeModel, make_volume: MakeVolume) -> None:
    class Broken(torch.nn.Module):
        def class_moments(self, patches: torch.Tensor) -> ClassMoments:
            mean = torch.full((len(patches), 2, *patches.shape[2:]), torch.nan)
            return ClassMoments(mean, torch.zeros_like(mean))

    with pytest.raises(TrustSegError, match="no mask was made"):
        segment(make_volume(), make_model(Broken()))


def test_network_with_other_classes_than_described_is_refused(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    with pytest.raises(BundleError, match="returns 2 classes, its description names 4"):
        segment(make_volume(), make_model(pointwise, structures=3))


def test_stages_are_reported_timed_and_complete(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    steps: list[Progress] = []
    result = segment(make_volume(), make_model(pointwise, patch=(8, 4, 12)), progress=steps.append)
    stages = ["prepare", "predict", "restore", "measure"]
    assert list(dict.fromkeys(step.stage for step in steps)) == stages
    last = {step.stage: step for step in steps}
    assert all(step.done == step.total for step in last.values())
    provenance = result.provenance
    assert provenance["patches"] == last["predict"].total == 1 * 5 * 3
    assert list(provenance["times"]) == stages
    assert provenance["engine"] == "pytorch"
    assert provenance["device"] in ("cpu", "cuda:0") or provenance["device"].startswith("cuda:0 (")
    assert provenance["versions"]["torch"] == torch.__version__
    assert (provenance["patch"], provenance["overlap"]) == ([8, 4, 12], 0.5)
    assert provenance["precision"] == "float32"
    assert result.model == {"name": "fake", "version": "1.0.0", "sha256": "0" * 64}


@pytest.mark.parametrize("stage", ["prepare", "predict", "restore"])
def test_cancelling_works_within_every_stage(
    make_model: MakeModel,
    make_volume: MakeVolume,
    pointwise: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    monkeypatch.setattr("TrustSegLib.inference.mask_and_maps.CHUNK_BYTES", 10_000)
    steps: list[Progress] = []
    with pytest.raises(Cancelled):
        segment(
            make_volume(),
            make_model(pointwise),
            progress=steps.append,
            cancelled=lambda: bool(steps) and steps[-1].stage == stage,
        )
    assert [step.stage for step in steps].count(stage) == 1
    assert stage == "prepare" or steps[-1].done < steps[-1].total


def test_segmentation_cancelled_before_it_starts_does_nothing(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    steps: list[Progress] = []
    with pytest.raises(Cancelled):
        segment(make_volume(), make_model(pointwise), progress=steps.append, cancelled=lambda: True)
    assert steps == []


def test_2d_network_segments_a_volume(
    make_model: MakeModel, make_volume: MakeVolume, pointwise: torch.nn.Module
) -> None:
    class Planes(torch.nn.Module):
        size_divisor = 4

        def class_moments(self, patches: torch.Tensor) -> ClassMoments:
            assert patches.ndim == 4
            mean, variance = pointwise.class_moments(patches.unsqueeze(2))
            return ClassMoments(mean.squeeze(2), variance.squeeze(2))

    image = make_volume()
    planar = segment(image, make_model(Planes(), patch=(8, 8, 1), dimensions=2))
    np.testing.assert_array_equal(planar.labels.array, segment(image, make_model(pointwise)).labels.array)


@pytest.mark.parametrize("family", ["vdp", "deterministic"])
def test_real_network_has_proper_moments_and_nearly_the_same_in_bfloat16(
    make_model: MakeModel, make_volume: MakeVolume, family: str
) -> None:
    torch.manual_seed(0)
    network = build(NetworkSpec(classes=3, filters=(4, 8)), family=family).eval()
    model = make_model(network, structures=2, spacing=(1.1, 1.1, 1.1), patch=(8, 8, 8))
    image = make_volume()
    full, half = (
        segment(image, model, SegmentOptions(maps=MAP_NAMES, precision=precision, device="cpu"))
        for precision in ("float32", "bfloat16")
    )
    assert next(network.parameters()).dtype == torch.float32
    for name in MAP_NAMES:
        assert np.isfinite(full.maps[name].array).all()
        np.testing.assert_allclose(half.maps[name].array, full.maps[name].array, atol=0.05)
    assert not np.array_equal(half.maps["entropy"].array, full.maps["entropy"].array)
    assert (full.maps["epistemic"].array.max() > 0) == (family == "vdp")
    assert np.mean(half.labels.array == full.labels.array) > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device 'tpu'"),
        ({"maps": ("error",)}, "map 'error'"),
        ({"overlap": 1.0}, "overlap"),
        ({"batch_size": 0}, "batch size"),
        ({"precision": "float16"}, "precision"),
        ({"memory_gb": -1.0}, "memory"),
        ({"memory_gb": float("nan")}, "memory"),
    ],
)
def test_options_are_checked_before_anything_runs(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SegmentOptions(**options)
