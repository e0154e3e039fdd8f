"""The changes through TorchIO: repeatable, of image and label alike, and of few families of corruption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.data import set_track_meta
from scipy import ndimage

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.data import strong_augmentation
from trustseg_training.data.patients import Patches
from trustseg_training.data.preprocessing import Sample
from trustseg_training.data.strong_augmentation import ThroughTorchIO

STRONG = FitConfiguration(
    data="", structures=("A", "B"), patch=(16, 24, 20), filters=(4, 8), augmentation="strong"
)


@pytest.fixture(autouse=True)
def _plain_tensors():
    set_track_meta(False)


def _sample(channels: int = 1) -> Sample:
    """A block off the center along every axis; the image is the label."""
    label = torch.zeros(1, 20, 24, 16, dtype=torch.uint8)
    label[:, 4:14, 6:18, 4:11] = 1
    return Sample(name="block", image=label.float().repeat(channels, 1, 1, 1) * 3 - 1, label=label)


def _alone(epoch: int, sample: Sample) -> dict[str, torch.Tensor]:
    """What TorchIO alone makes of a sample."""
    transform = ThroughTorchIO()
    transform.set_random_state(seed=epoch)
    return transform({name: sample[name] for name in ("image", "label")})


def test_patch_depends_on_seed_epoch_and_index_alone_and_leaves_the_global_numbers():
    first, again = Patches([_sample()] * 2, STRONG), Patches([_sample()] * 2, STRONG)
    other = Patches([_sample()] * 2, replace(STRONG, seed=2))
    for key in [(epoch, index) for epoch in range(6) for index in range(2)]:
        torch.manual_seed(key[0])
        state = torch.get_rng_state()
        one = first[key]
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(99)
        np.random.rand(3)  # noqa: NPY002 - the global generator, which must not matter
        assert all(torch.equal(a, b) for a, b in zip(one, again[key], strict=True))
        assert not torch.equal(one[0], other[key][0])
    assert not torch.equal(first[0, 0][0], first[0, 1][0])


def test_every_change_happens_and_not_always(monkeypatch):
    torchio, names = strong_augmentation.torchio, {}
    for name in ("ElasticDeformation", "Anisotropy", "BiasField", "Gamma"):
        kind = getattr(torchio, f"Random{name}")
        original = kind.apply_transform

        def count(self, subject, name=name, original=original):
            names[name] = names.get(name, 0) + 1
            return original(self, subject)

        monkeypatch.setattr(kind, "apply_transform", count)
    for seed in range(60):
        _alone(seed, _sample())
    assert set(names) == {"ElasticDeformation", "Anisotropy", "BiasField", "Gamma"}
    assert all(3 <= count <= 30 for count in names.values()), names


def _only(monkeypatch, name: str) -> None:
    """Let one of the changes happen always and the others never."""
    torchio = strong_augmentation.torchio
    for each in ("ElasticDeformation", "Anisotropy", "BiasField", "Gamma"):
        kind = getattr(torchio, f"Random{each}")
        original = kind.__init__

        def start(self, *arguments, original=original, each=each, **options):
            original(self, *arguments, **{**options, "p": float(each == name)})

        monkeypatch.setattr(kind, "__init__", start)


def test_deformation_moves_image_and_label_together_and_folds_nothing(monkeypatch):
    _only(monkeypatch, "ElasticDeformation")
    moved = []
    for seed in range(8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", _refuse)
            changed = _alone(seed, _sample())
        assert (changed["image"].shape, changed["label"].dtype) == ((1, 20, 24, 16), torch.uint8)
        inside = changed["image"][changed["label"] == 1]
        assert inside.min() >= -1
        # By interpolation, the image may differ by less than half a step on each side of the boundary.
        assert ((changed["image"] > 0.5) == (changed["label"] == 1)).float().mean() > 0.99
        assert ndimage.label(changed["label"][0].numpy())[1] == 1
        moved.append(not torch.equal(changed["label"], _sample()["label"]))
    assert all(moved)


def _refuse(message, *_, **__):
    raise AssertionError(message)


@pytest.mark.parametrize("name", ["Anisotropy", "BiasField", "Gamma"])
def test_other_changes_leave_the_label_and_the_scale(monkeypatch, name):
    _only(monkeypatch, name)
    generator = torch.Generator().manual_seed(0)
    noisy = _sample(channels=2)
    noisy["image"] = noisy["image"] + 0.3 * torch.rand(noisy["image"].shape, generator=generator)
    for seed in range(6):
        changed = _alone(seed, noisy)
        assert torch.equal(changed["label"], noisy["label"])
        assert not torch.equal(changed["image"], noisy["image"])
        assert changed["image"].shape == noisy["image"].shape
        assert changed["image"].isfinite().all()
        if name == "Gamma":  # the darkest and the brightest voxel keep their value
            for end in (torch.amin, torch.amax):
                ends = [end(image, dim=(1, 2, 3)) for image in (changed["image"], noisy["image"])]
                torch.testing.assert_close(*ends)


def test_patch_without_changes_comes_back_with_its_axes(monkeypatch):
    _only(monkeypatch, "none of them")
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 5, 7, 9), (2, 7, 9)):
        image = torch.randn(shape, generator=generator)
        label = torch.randint(0, 3, (1, *shape[1:]), generator=generator, dtype=torch.uint8)
        changed = _alone(0, Sample(name="a", image=image, label=label))
        torch.testing.assert_close(changed["image"], image, atol=1e-6, rtol=0)
        assert torch.equal(changed["label"], label)


def test_constant_and_flat_patches_stay_what_they_are():
    flat = Sample(
        name="flat", image=torch.full((1, 20, 24, 16), 2.0), label=torch.zeros(1, 20, 24, 16).to(torch.uint8)
    )
    for seed in range(12):
        changed = _alone(seed, flat)
        torch.testing.assert_close(changed["image"], flat["image"])
    plane = replace(STRONG, dimensions=2, patch=(16, 24, 1))
    for epoch in range(12):
        image, label = Patches([_sample()], plane)[epoch, 0]
        assert (image.shape, label.shape) == ((1, 24, 16), (24, 16))
        assert (image.dtype, label.dtype) == (torch.float32, torch.int64)


def test_default_augmentation_has_no_strong_changes(monkeypatch):
    default = replace(STRONG, augmentation="default")
    names = [type(step).__name__ for step in Patches([_sample()], default).transform.transforms]
    assert "ThroughTorchIO" not in names
    strong = Patches([_sample()], STRONG).transform.transforms
    assert [type(step).__name__ for step in strong] == [*names, "ThroughTorchIO"]
    assert FitConfiguration(data="", structures=("A",)).augmentation == "default"


def test_noise_is_added_to_less_or_more_than_some_of_the_patches():
    sample = _sample()
    patches = Patches([sample] * 40, replace(STRONG, augmentation="noise"))
    strong = Patches([sample] * 40, STRONG)
    assert [type(step).__name__ for step in patches.transform.transforms[:-1]] == [
        type(step).__name__ for step in strong.transform.transforms
    ]
    noise = patches.transform.transforms[-1]
    noise.set_random_state(0)
    flat = torch.zeros(1, 24, 20, 16)
    spread = torch.tensor([float(noise({"image": flat.clone()})["image"].std()) for _ in range(200)])
    noisy = spread > 0
    assert 50 < noisy.sum() < 110
    assert spread.max() < 3.15
    assert spread[noisy].min() < 0.3 < 2.7 < spread.max()


def test_strong_augmentation_trains(dataset, tmp_path):
    options = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
    options += ["--accelerator", "cpu", "--family", "deterministic", "--epochs", "1"]
    assert main(["fit", str(dataset), "-o", str(tmp_path / "r"), *options, "--augmentation", "strong"]) == 0
