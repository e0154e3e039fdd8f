"""What the network is given to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import set_track_meta

from trustseg_training.config import FitConfiguration
from trustseg_training.data import augmentation
from trustseg_training.data.patients import EpochSampler, Patches, PatientData
from trustseg_training.data.preprocessing import Sample, prepare
from trustseg_training.dataset import find_cases
from TrustSegLib.errors import ImageError

CONFIGURATION = FitConfiguration(data="", structures=("A", "B"), patch=(16, 24, 20), filters=(4, 8))


@pytest.fixture(autouse=True)
def _plain_tensors():
    set_track_meta(False)


def _block(shape: tuple[int, int, int] = (22, 26, 18)) -> Sample:
    """A block off the center along every axis; the image is the label."""
    label = torch.zeros(1, *shape, dtype=torch.uint8)
    label[:, 4:12, 5:14, 3:8] = 1
    return Sample(name="block", image=label.float(), label=label)


def test_patch_depends_on_seed_epoch_and_patient_alone():
    samples = [_block(), _block()]
    first, again = Patches(samples, CONFIGURATION), Patches(samples, CONFIGURATION)
    first[0, 1]
    torch.randn(5)
    np.random.rand(3)  # noqa: NPY002 - the global generator, which must not matter
    assert torch.equal(first[3, 0][0], again[3, 0][0])
    assert not torch.equal(first[3, 0][0], first[4, 0][0])
    assert not torch.equal(first[3, 0][0], first[3, 1][0])


def test_image_and_label_move_together():
    patches = Patches([_block((20, 24, 16))], CONFIGURATION)
    for epoch in range(10):
        image, label = patches[epoch, 0]
        assert image.shape == (1, 20, 24, 16)
        assert (image.dtype, label.dtype) == (torch.float32, torch.int64)
        # Smoothing and intensity changes keep the order; the boundary may differ by interpolation.
        inside, outside = image[0][label == 1].mean(), image[0][label == 0].mean()
        assert inside > outside + 0.5 * (image.max() - image.min())


def test_mirroring_is_left_right_only():
    transform = augmentation.training(replace(CONFIGURATION, patch=(16, 24, 20))).transforms
    (flip,) = [step for step in transform if type(step).__name__ == "Mirror"]
    flip.set_random_state(0)
    sample = _block((20, 24, 16))
    mirrored = {"image": sample["image"].flip(3), "label": sample["label"].flip(3)}
    seen = []
    for _ in range(20):
        image = flip(dict(sample))["image"]
        seen.append(torch.equal(image, mirrored["image"]))
        assert seen[-1] or torch.equal(image, sample["image"])
    assert any(seen)
    assert not all(seen)


@pytest.mark.parametrize(("orientation", "axis"), [("RAS", 3), ("LPI", 3), ("ASR", 1), ("SLA", 2)])
def test_mirrored_sides_exchange_their_labels_whatever_the_orientation(orientation, axis):
    structures, pairs = ("Middle", "Left", "Right"), {"Left": "Right"}
    configuration = replace(
        CONFIGURATION, structures=structures, mirrored_pairs=pairs, orientation=orientation
    )
    (flip,) = [
        step for step in augmentation.training(configuration).transforms if type(step).__name__ == "Mirror"
    ]
    flip.set_random_state(0)
    label = torch.randint(0, 4, (1, 6, 5, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    exchanged = torch.tensor([0, 1, 3, 2], dtype=torch.uint8)[label.long()].flip(axis)
    seen = []
    for _ in range(20):
        after = flip({"image": label.float(), "label": label})
        seen.append(torch.equal(after["image"], label.float().flip(axis)))
        assert torch.equal(after["label"], exchanged if seen[-1] else label)
        assert after["label"].dtype == torch.uint8
    assert any(seen)
    assert not all(seen)


def test_sagittal_slices_are_not_mirrored():
    flat = replace(CONFIGURATION, dimensions=2, patch=(16, 24, 1), orientation="ASR")
    assert "Mirror" not in [type(step).__name__ for step in augmentation.training(flat).transforms]


def test_augmentation_adds_no_noise():
    flat = Sample(
        name="flat", image=torch.zeros(1, 16, 24, 20), label=torch.zeros(1, 16, 24, 20, dtype=torch.uint8)
    )
    patches = Patches([flat], CONFIGURATION)
    # Without the margin, where MONAI's smoothing takes zeros from outside the patch.
    assert all(patches[epoch, 0][0][:, 4:-4, 4:-4, 4:-4].std() < 1e-5 for epoch in range(20))


def test_small_volume_is_filled_up_with_its_border():
    configuration = FitConfiguration(data="", structures=("A",), patch=(16, 16, 16), filters=(4, 8))
    small = Sample(
        name="s", image=torch.full((1, 9, 10, 11), 3.0), label=torch.ones(1, 9, 10, 11, dtype=torch.uint8)
    )
    pad = augmentation.training(configuration).transforms[0]
    filled = pad(dict(small))
    assert filled["image"].shape == (1, 16, 16, 16)
    assert (filled["image"] == 3).all()
    assert (filled["label"] == 1).all()


def test_every_patient_comes_once_per_epoch_in_another_order():
    sampler = EpochSampler(9, seed=1)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {key[0] for key in keys} == {epoch}
        orders.append([key[1] for key in keys])
    assert sorted(orders[0]) == list(range(9))
    assert orders[0] == orders[2]
    assert orders[0] != orders[1]


@pytest.mark.parametrize(("batch_size", "batches"), [(2, 2), (3, 1), (4, 1), (9, 1)])
def test_every_batch_size_leaves_batches_in_an_epoch(batch_size, batches):
    configuration = FitConfiguration(
        data="", structures=("A",), patch=(16, 16, 16), filters=(4, 8), batch_size=batch_size
    )
    data = PatientData(configuration)
    data.samples = {"train": [_block()] * 4, "val": []}
    assert len(list(data.train_dataloader())) == batches


def _rewrite(path, change) -> None:
    image = sitk.ReadImage(str(path))
    changed = change(image)
    sitk.WriteImage(changed, str(path))


def test_patients_are_brought_to_the_grid_and_scale_of_the_network(dataset):
    configuration = FitConfiguration(
        data=str(dataset),
        structures=("A", "B"),
        spacing=(2.0, 1.0, 1.0),
        orientation="LPS",
        patch=(8, 16, 16),
    )
    plain = FitConfiguration(data=str(dataset), structures=("A", "B"), orientation="LPS", patch=(16, 16, 16))
    case = find_cases(dataset)[0]
    sample, own = prepare(case, configuration), prepare(case, plain)
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(case.label)))
    assert np.array_equal(own["label"][0], label)
    assert own["image"].mean().abs() < 1e-4
    assert float(own["image"].std()) == pytest.approx(1, abs=1e-3)
    assert sample["image"].shape == (1, 14, 16, 9)
    assert set(np.unique(sample["label"])) == {0, 1, 2}


def test_orientation_turns_image_and_label(dataset):
    plain = FitConfiguration(data=str(dataset), structures=("A", "B"), orientation="LPS", patch=(16, 16, 16))
    turned = FitConfiguration(data=str(dataset), structures=("A", "B"), orientation="RAS", patch=(16, 16, 16))
    case = find_cases(dataset)[0]
    first, second = prepare(case, plain), prepare(case, turned)
    assert torch.equal(first["label"].flip(2, 3), second["label"])
    torch.testing.assert_close(first["image"].flip(2, 3), second["image"])


def test_whole_numbers_kept_as_floats_are_labels_and_others_are_not(dataset):
    case = find_cases(dataset)[0]
    _rewrite(case.label, lambda image: sitk.Cast(image, sitk.sitkFloat32))
    assert prepare(case, CONFIGURATION)["label"].dtype == torch.uint8
    _rewrite(case.label, lambda image: image * 0.5)
    with pytest.raises(ImageError, match=r"case_0\.nii\.gz"):
        prepare(case, CONFIGURATION)


def test_image_of_two_channels_is_refused(dataset):
    case = find_cases(dataset)[0]
    _rewrite(case.images[0], lambda image: sitk.Compose(image, image))
    with pytest.raises(ImageError, match=r"case_0\.nii\.gz: 2 channels"):
        prepare(case, CONFIGURATION)


def test_table_of_a_spreadsheet_is_read_and_one_in_another_encoding_refused(dataset):
    table = dataset / "splits.csv"
    whole = table.read_text()
    table.write_text(whole, encoding="utf-8-sig")
    assert [case.split for case in find_cases(dataset)] == ["train"] * 4 + ["val"] * 2
    table.write_text(whole.replace("case_0", "fälle_0"), encoding="latin-1")
    with pytest.raises(ImageError, match=r"splits\.csv: cannot be read"):
        find_cases(dataset)


def test_processes_together_take_what_one_takes_alone():
    alone = EpochSampler(11, seed=1)
    shares = [EpochSampler(11, seed=1, rank=rank, replicas=2) for rank in range(2)]
    for sampler in (alone, *shares):
        sampler.set_epoch(3)
    first, second = (list(sampler) for sampler in shares)
    assert len(first) == len(second) == len(shares[0]) == 5
    for batch in range(5):
        together = {first[batch], second[batch]}
        assert together == set(list(alone)[2 * batch : 2 * batch + 2])


def test_several_patches_of_an_image_differ_and_make_the_epoch_longer():
    patches = Patches([_block(), _block()], replace(CONFIGURATION, patches_per_patient=3))
    assert len(patches) == 6
    assert not torch.equal(patches[0, 0][0], patches[0, 2][0])


def test_patch_in_two_dimensions_is_a_slice_of_image_and_label():
    flat = replace(CONFIGURATION, dimensions=2, patch=(16, 24, 1))
    plain = Patches([_block()], replace(flat, augmentation="none"))
    changed = Patches([_block()], flat)
    for epoch in range(5):
        image, label = plain[epoch, 0]
        assert (image.shape, label.shape) == ((1, 24, 16), (24, 16))
        assert torch.equal(image[0], label.float())
        image, label = changed[epoch, 0]
        assert (image.shape, label.shape) == ((1, 24, 16), (24, 16))


def test_without_augmentation_the_patch_is_cut_out_only():
    patches = Patches([_block((20, 24, 16))], replace(CONFIGURATION, augmentation="none"))
    image, label = patches[0, 0]
    assert torch.equal(image, _block((20, 24, 16))["image"])
    assert torch.equal(label, _block((20, 24, 16))["label"][0].long())


def test_share_of_patches_around_structures_is_kept():
    label = torch.zeros(1, 40, 40, 40, dtype=torch.uint8)
    label[:, 20:22, 20:22, 20:22] = 1
    sample = Sample(name="small", image=label.float(), label=label)
    small = replace(CONFIGURATION, patch=(8, 8, 8), augmentation="none", filters=(4,))
    seen = {}
    for share in (0.0, 0.5, 1.0):
        patches = Patches([sample], replace(small, foreground_share=share))
        seen[share] = sum(bool(patches[epoch, 0][1].any()) for epoch in range(40))
    assert seen[1.0] == 40
    assert 10 <= seen[0.5] <= 30
    assert seen[0.0] < 5
