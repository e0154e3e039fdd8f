"""Settings that are chosen from the fingerprint of a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.config import FitConfiguration
from trustseg_training.config.memory import step_memory
from trustseg_training.config.planning import choose, place_of
from trustseg_training.dataset.fingerprint import Fingerprint
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import build


def _fingerprint(size, spacing, inside=(0.0, 1.0, 5.0, 9.0, 10.0), lowest=0.0, images=10) -> Fingerprint:
    return Fingerprint(
        patients=images,
        images=images,
        splits={},
        channels=("image",),
        spacings=np.tile(np.array(spacing, float), (images, 1)),
        sizes=np.tile(np.array(size), (images, 1)),
        intensities=np.array([[lowest, 1.0, 5.0, 9.0, 10.0]]),
        inside=np.array([inside]),
        values={1: "a", 2: "b"},
        volumes_ml={1: np.ones(images), 2: np.ones(images)},
        foreground=0.01,
        notes=[],
    )


def test_values_with_gaps_get_a_map_and_names():
    fingerprint = _fingerprint((10, 8, 6), (1, 2, 4))
    fingerprint = replace(fingerprint, values={1: "edema", 4: "core"}, channels=("MRI",))
    plan = choose("d", fingerprint, {}, 8.0)
    assert plan.configuration.structures == ("edema", "core")
    assert plan.configuration.label_map == {1: 1, 4: 2}
    assert plan.configuration.channels == ("MRI",)


def test_structures_with_a_side_are_paired_by_name():
    names = ("Parotid_Left", "Cleft", "right lung", "Parotid_Right", "Left lung", "Left only", "Cright")
    fingerprint = replace(_fingerprint((10, 8, 6), (1, 1, 1)), values=dict(enumerate(names, start=1)))
    plan = choose("d", fingerprint, {}, 8.0)
    assert plan.configuration.mirrored_pairs == {
        "Parotid_Left": "Parotid_Right",
        "Left lung": "right lung",
    }
    assert "exchange" in plan.reasons["mirrored_pairs"]
    assert choose("d", fingerprint, {"structures": names[::-1]}, 8.0).configuration.mirrored_pairs == {}


def test_images_of_the_hippocampus_get_the_patch_and_depth_that_are_known_to_work():
    plan = choose("d", _fingerprint((35, 50, 36), (1, 1, 1)), {}, 8.0)
    assert plan.configuration.patch == (36, 52, 36)
    assert plan.configuration.filters == (12, 24, 48)
    assert plan.configuration.batch_size == 4
    assert plan.configuration.foreground_share == 0


def test_large_images_get_a_patch_that_fits_the_memory():
    fingerprint = _fingerprint((512, 512, 300), (0.8, 0.8, 1.0))
    small, large = (choose("d", fingerprint, {}, memory) for memory in (2.0, 8.0))
    assert np.prod(small.configuration.patch) < np.prod(large.configuration.patch) < 512 * 512 * 300
    for plan, memory in ((small, 2.0), (large, 8.0)):
        assert 0.5 * memory < plan.step_bytes / 2**30 <= memory
        assert plan.configuration.batch_size >= 2
        assert plan.configuration.foreground_share > 0
        assert plan.configuration.patches_per_patient == 8


def test_memory_that_holds_no_patch_is_refused():
    with pytest.raises(OptionError, match=r"memory 0\.001 GiB: not enough"):
        choose("d", _fingerprint((512, 512, 300), (1, 1, 1)), {}, 0.001)


def test_thick_slices_coarsen_the_fine_axes():
    plan = choose("d", _fingerprint((512, 512, 51), (0.8, 0.8, 5.0)), {}, 8.0)
    assert plan.configuration.spacing == (1.667, 1.667, 5.0)
    assert "coarsened" in plan.reasons["spacing"]


def test_hounsfield_units_get_a_window_and_other_intensities_a_zscore():
    units = _fingerprint((64, 64, 64), (1, 1, 1), inside=(-104.0, 0.0, 40.0, 200.0, 333.0), lowest=-1000.0)
    window = choose("d", units, {}, 8.0).configuration.normalization
    assert (window.method, window.limits) == ("window", (-110.0, 340.0))
    other = choose("d", _fingerprint((64, 64, 64), (1, 1, 1)), {}, 8.0).configuration.normalization
    assert other.method == "zscore"


def test_preset_that_does_not_know_the_labels_or_channels_is_refused():
    fingerprint = _fingerprint((64, 64, 64), (1, 1, 1))
    with pytest.raises(OptionError, match=r"values \[2\], which it does not know"):
        choose("d", fingerprint, {"structures": ("Lung",)}, 8.0)
    with pytest.raises(OptionError, match="needs the 2 channels x, y, the images have 1"):
        choose("d", fingerprint, {"channels": ("x", "y")}, 8.0)


def test_settings_of_a_preset_are_kept():
    preset = {
        "patch": (128, 128, 128),
        "filters": (4, 8),
        "batch_size": 7,
        "epochs": 3,
        "spacing": (2.0,) * 3,
    }
    configuration = choose("d", _fingerprint((35, 50, 36), (1, 1, 1)), preset, 0.001).configuration
    assert {name: getattr(configuration, name) for name in preset} == preset


def test_published_factor_of_the_divergence_holds_whatever_the_data():
    preset = {"kl_factor": 1e-3, "patch": (64, 64, 1), "dimensions": 2}
    for images in (10, 40):
        configuration = choose(
            "d", _fingerprint((35, 50, 36), (1, 1, 1), images=images), preset, 8.0
        ).configuration
        assert configuration.kl_weight / (0.8 * images * 64 * 64) == pytest.approx(1e-3)


def test_memory_grows_with_voxels_and_counts_what_autograd_keeps():
    configuration = FitConfiguration(
        data="", structures=("A",), family="deterministic", filters=(4,), patch=(16, 16, 16)
    )
    memory = step_memory(configuration)
    network = build(configuration.network, "deterministic")
    weights = sum(parameter.numel() for parameter in network.parameters())
    assert 16 * weights <= memory.fixed < 16 * weights + 4096
    # Two convolutions of 4 kernels: each output and what follows it, the head's two classes and work space.
    assert 4 * (1 + 2 * 4) <= memory.per_voxel - 4 * 4 * 2 * 4 <= 4 * (1 + 2 * 3 * 4 + 2 * 4)
    assert memory.of((8, 8, 8), 2) == pytest.approx(memory.fixed + 1024 * memory.per_voxel, abs=1)
    state = torch.get_rng_state()
    step_memory(configuration)
    assert torch.equal(torch.get_rng_state(), state)


def test_place_of_the_data_is_relative_only_below_the_file(tmp_path):
    assert place_of(tmp_path / "a" / "data", tmp_path / "c.yaml") == "a/data"
    assert Path(place_of(tmp_path / "data", tmp_path / "b" / "c.yaml")) == (tmp_path / "data").resolve()


def test_small_structures_get_patches_around_them_even_if_a_patch_holds_the_image():
    fingerprint = _fingerprint((35, 50, 36), (1, 1, 1))
    fingerprint = replace(fingerprint, volumes_ml={1: np.ones(10), 2: np.full(10, 0.2)})
    assert fingerprint.smallest == pytest.approx(0.2 / 63)
    assert choose("d", fingerprint, {}, 8.0).configuration.foreground_share > 0


@pytest.mark.parametrize(("patients", "warned"), [(10, True), (100, False)])
def test_few_validation_patients_are_said(patients, warned):
    plan = choose("d", _fingerprint((35, 50, 36), (1, 1, 1), images=patients), {}, 8.0)
    assert any("validation patient" in warning for warning in plan.warnings) == warned


def test_epoch_of_few_images_has_enough_steps_before_a_validation():
    plan = choose("d", _fingerprint((35, 50, 36), (1, 1, 1), images=20), {}, 8.0)
    configuration = plan.configuration
    assert 16 * configuration.patches_per_patient // configuration.batch_size >= 25
    assert "25 steps" in plan.reasons["patches_per_patient"]
