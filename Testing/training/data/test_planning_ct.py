"""Couch, mask and other fields of view: outside of the patient, on the side where they belong, repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.data import set_track_meta

from trustseg_training.config import FitConfiguration
from trustseg_training.config.declaration import SettingError
from trustseg_training.data import planning_ct
from trustseg_training.data.patients import Patches
from trustseg_training.data.planning_ct import Axes, PlanningRoom, WiderField
from trustseg_training.data.preprocessing import Sample
from TrustSegLib.imaging import Normalization

LOWER, UPPER = -1000.0, 1500.0
CONFIGURATION = FitConfiguration(
    data="",
    structures=("Tube",),
    patch=(32, 40, 24),
    filters=(4, 8),
    spacing=(4.0, 4.0, 3.0),
    normalization=Normalization("window", lower=LOWER, upper=UPPER),
    augmentation="planning_ct",
)
AXES = Axes.of(CONFIGURATION)
SHARES = ("COUCH", "MASK", "STREAKS", "CUT", "SHIFT", "NOISE", "BLUR", "THICK")


@pytest.fixture(autouse=True)
def _plain_tensors():
    set_track_meta(False)


def _patient(shape: tuple[int, int, int] = (24, 40, 32)) -> np.ndarray:
    """HU (D, H, W), RAS: a cylinder of water along z with an airway and teeth, the front at the high H."""
    _, y, x = np.indices(shape)
    hu = np.where(np.hypot(y - 22, x - 16) < 9, 0.0, -1000.0)
    hu[np.hypot(y - 25, x - 16) < 3] = -1000.0
    hu[4:8, 28:30, 14:19] = 1500.0
    return hu.astype(np.float32)


def _sample(hu: np.ndarray) -> Sample:
    image = torch.from_numpy((hu - LOWER) / (UPPER - LOWER))[None]
    return Sample(name="patient", image=image, label=(image > 0.3).to(torch.uint8))


def _only(monkeypatch, name: str) -> None:
    """Let one of the additions happen always and the others never."""
    for each in SHARES:
        monkeypatch.setattr(planning_ct, each, float(each == name))


def _changed(hu: np.ndarray, seed: int, configuration: FitConfiguration = CONFIGURATION) -> np.ndarray:
    room = PlanningRoom(configuration)
    room.set_random_state(seed)
    sample = _sample(hu)
    after = room(dict(sample))
    assert (after["image"].shape, after["label"].dtype) == (sample["image"].shape, torch.uint8)
    return after["image"][0].numpy() * (UPPER - LOWER) + LOWER


def test_patient_stays_and_the_airway_with_it(monkeypatch):
    hu = _patient()
    outside = planning_ct.outside_of(hu > -300, AXES)
    assert not outside[:, 22:26, 14:19].any()
    for name in ("COUCH", "MASK"):
        _only(monkeypatch, name)
        for seed in range(20):
            np.testing.assert_allclose(_changed(hu, seed)[~outside], hu[~outside], atol=0.01)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        ("RAS", lambda hu: hu),
        ("LPI", lambda hu: hu[::-1, ::-1, ::-1]),
        ("ASR", lambda hu: hu.transpose(2, 0, 1)),  # x, y, z point to A, S, R: the array is (R, S, A)
    ],
)
def test_couch_is_behind_the_patient_whatever_the_orientation(monkeypatch, orientation, turn):
    _only(monkeypatch, "COUCH")
    spacing = {"ASR": (4.0, 3.0, 4.0)}.get(orientation, (4.0, 4.0, 3.0))
    turned = replace(CONFIGURATION, orientation=orientation, spacing=spacing, patch=(16, 16, 16))
    hu = np.ascontiguousarray(turn(_patient()))
    # The front half of the patient, as a part of the whole array.
    front = turn(np.broadcast_to((np.arange(40) > 24)[None, :, None], (24, 40, 32)))
    drawn = [np.abs(_changed(hu, seed, turned) - hu) > 1 for seed in range(30)]
    assert not any((each & front).any() for each in drawn)
    assert sum(each.any() for each in drawn) > 15


def test_couch_is_a_plate_of_the_width_and_material_of_one(monkeypatch):
    _only(monkeypatch, "COUCH")
    hu = _patient()
    values = []
    for seed in range(40):
        after = _changed(hu, seed)
        drawn = after > hu + 1
        if drawn.any():
            values.append(after[drawn].max())
            assert np.ptp(np.nonzero(drawn)[2]) * 4 >= 60
    assert -700.1 <= min(values) < -300 < 0 < max(values) < 200.1


def test_mask_is_a_thin_shell_near_the_skin_and_not_below_the_patient(monkeypatch):
    _only(monkeypatch, "MASK")
    hu = _patient()
    _, y, x = np.indices(hu.shape)
    radius = np.hypot(y - 22, x - 16)
    sizes = []
    for seed in range(20):
        drawn = _changed(hu, seed) > hu + 1
        assert drawn.any()
        assert radius[drawn].min() >= 9
        assert radius[drawn].max() < 9 + 4.5
        assert not drawn[:, :13].any(), "a mask ends at the couch"
        sizes.append(drawn.sum() / hu.shape[0])
    assert max(sizes) < 2 * np.pi * 12.5 * 1.5


def test_streaks_start_in_bright_voxels_and_stay_in_the_body(monkeypatch):
    _only(monkeypatch, "STREAKS")
    hu = _patient()
    body = hu > -300
    for seed in range(10):
        after = _changed(hu, seed)
        changed = np.abs(after - hu) > 1
        assert changed[body].any()
        assert not changed[~body].any()
        assert changed.any(axis=(1, 2)).sum() < 16, "a few slices"
    none = np.where(hu > 1000, 0, hu)
    np.testing.assert_allclose(_changed(none, 0), none, atol=0.01)


def test_cut_field_of_view_has_no_label_where_it_has_no_image(monkeypatch):
    _only(monkeypatch, "CUT")
    sample = _sample(_patient())
    for seed in range(10):
        room = PlanningRoom(CONFIGURATION)
        room.set_random_state(seed)
        after = room(dict(sample))
        gone = (after["image"][0] == 0).all(dim=2).all(dim=1)
        assert 1 <= gone.sum() <= 15
        assert gone[0] or gone[-1]
        assert torch.equal(after["label"][0][~gone], sample["label"][0][~gone])
        assert after["label"][0][gone].sum() == 0
    assert sample["label"].sum() > 0, "the sample itself is not changed"


def test_shift_is_one_of_all_tissues_and_at_most_20_hu(monkeypatch):
    _only(monkeypatch, "SHIFT")
    hu = _patient()
    inside = (hu > -300) & (hu < 1000)
    shifts = np.array([_changed(hu, seed)[inside] - hu[inside] for seed in range(30)])
    assert np.abs(shifts).max() <= 20.01
    assert shifts.std(axis=1).max() < 0.01
    assert shifts.min() < -10 < 10 < shifts.max()


@pytest.mark.parametrize("name", ["NOISE", "BLUR", "THICK"])
def test_scanner_changes_grain_and_resolution_but_not_the_mean(monkeypatch, name):
    _only(monkeypatch, name)
    hu = _patient()
    muscle = np.s_[11:20, 17:20, 14:19]
    for seed in range(8):
        after = _changed(hu, seed)
        assert not np.allclose(after, hu, atol=0.01)
        assert abs(after[muscle].mean() - hu[muscle].mean()) < 10
        assert (after[muscle].std() > 4) == (name == "NOISE")


def test_wider_field_adds_air_and_no_label(monkeypatch):
    monkeypatch.setattr(planning_ct, "WIDER", 1.0)
    sample = _sample(_patient())
    sizes = []
    for seed in range(10):
        wider = WiderField(CONFIGURATION)
        wider.set_random_state(seed)
        after = wider(dict(sample))
        assert after["label"].shape == after["image"].shape
        assert after["label"].sum() == sample["label"].sum()
        torch.testing.assert_close(after["image"].sum(), sample["image"].sum())
        sizes.append(after["image"].shape[1:])
    assert np.ptp(sizes, axis=0).min() > 0
    assert (np.max(sizes, axis=0) <= np.array([24 + 2 * 33, 40 + 2 * 25, 32 + 2 * 25])).all()


def test_patch_depends_on_seed_epoch_and_index_alone():
    samples = [_sample(_patient())] * 2
    first, again = Patches(samples, CONFIGURATION), Patches(samples, CONFIGURATION)
    first[0, 0]
    np.random.rand(3)  # noqa: NPY002 - the global generator, which must not matter
    for key in [(epoch, index) for epoch in range(8) for index in range(2)]:
        image, label = first[key]
        assert all(torch.equal(a, b) for a, b in zip((image, label), again[key], strict=True))
        assert image.shape == (1, 24, 40, 32)
        assert 0 <= image.min() <= image.max() <= 1
    assert not torch.equal(first[0, 0][0], first[0, 1][0])


def test_slices_of_a_network_in_two_dimensions_get_the_room_too():
    flat = replace(CONFIGURATION, dimensions=2, patch=(32, 40, 1))
    for epoch in range(12):
        image, label = Patches([_sample(_patient())], flat)[epoch, 0]
        assert (image.shape, label.shape) == ((1, 40, 32), (40, 32))


def test_empty_patch_and_images_without_hu_have_no_room(monkeypatch):
    _only(monkeypatch, "COUCH")
    air = np.full((24, 40, 32), -1000, np.float32)
    np.testing.assert_allclose(_changed(air, 0), air, atol=0.01)
    with pytest.raises(SettingError, match="it needs HU"):
        replace(CONFIGURATION, normalization=Normalization())
