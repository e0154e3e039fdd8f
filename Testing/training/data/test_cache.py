"""Prepared images on a disk: the same training, read where it is needed; damage and changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData
from trustseg_training.data.cache import ImageCache, mapped_array
from trustseg_training.dataset import DatasetError, Inspector, find_cases
from TrustSegLib.bundle.hashing import sha256_of

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "12"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic", "--epochs", "2"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


@pytest.fixture
def configuration(dataset, tmp_path) -> FitConfiguration:
    """Of the data set, with a cache that is not there yet."""
    return FitConfiguration(
        data=str(dataset), structures=("A", "B"), patch=(16, 16, 12), cache=str(tmp_path / "a cache é")
    )


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the images that are read from their own files from now on."""
    original, names = Inspector.read, []

    def read(self, case):
        names.append(case.name)
        return original(self, case)

    monkeypatch.setattr(Inspector, "read", read)
    return names


def _load(configuration: FitConfiguration) -> PatientData:
    data = PatientData(configuration)
    data.setup()
    return data


def _entry(configuration: FitConfiguration, number: int = 0) -> tuple[Path, Path, Path]:
    """Image, label and description of one image of the data set."""
    case = find_cases(Path(configuration.data))[number]
    place = ImageCache(Path(configuration.cache), configuration)
    return tuple(
        place.folder / f"{place.key(case)}.{suffix}" for suffix in ("image.npy", "label.npy", "json")
    )


def _assert_same(one: PatientData, other: PatientData) -> None:
    for split in ("train", "val"):
        for a, b in zip(one.samples[split], other.samples[split], strict=True):
            assert a["name"] == b["name"]
            assert all(torch.equal(a[part], b[part]) for part in ("image", "label"))
            assert all(a[part].dtype == b[part].dtype for part in ("image", "label"))


def test_training_is_the_same_bit_for_bit_with_a_new_a_filled_and_no_cache(dataset, tmp_path, reads):
    own = {"none": [], "new": ["--cache", str(tmp_path / "c")], "filled": ["--cache", str(tmp_path / "c")]}
    more, counts = ["--foreground-share", "0.5", "--patches-per-patient", "2"], []
    for name, option in own.items():
        reads.clear()
        assert _fit(dataset, tmp_path / name, *option, *more) == 0
        counts.append(len(reads))
    assert counts == [6, 6, 0]
    logs = [(tmp_path / name / "csv" / "version_0" / "metrics.csv").read_text() for name in own]
    assert logs[0] == logs[1] == logs[2]
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"] for name in own]
    for name, value in states[0].items():
        assert all(torch.equal(value, state[name]) for state in states[1:]), name


def _mapped_from(tensor: torch.Tensor) -> str:
    """The file of which the tensor's memory is a map, as the system says; empty for other memory."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, _, _, _, _, *name = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in span.split("-"))
        if low <= address < high:
            return name[0] if name else ""
    return ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory map of the process")
def test_images_are_maps_of_their_files_and_a_patch_is_a_copy_of_its_part(configuration):
    for _ in range(2):  # as it was stored, and as it is found
        data = _load(configuration)
        image, label, _ = _entry(configuration)
        sample = data.samples["train"][0]
        assert _mapped_from(sample["image"]) == str(image)
        assert _mapped_from(sample["label"]) == str(label)
    plain = _load(replace(configuration, cache=None))
    assert not _mapped_from(plain.samples["train"][0]["image"]).endswith(".npy")
    assert isinstance(mapped_array(image), np.memmap)
    data = PatientData(replace(configuration, augmentation="none"))
    data.samples = {"train": [sample] * 2, "val": []}
    (batch, _) = next(iter(data.train_dataloader()))
    assert not _mapped_from(batch).endswith(".npy")


def test_whole_volumes_are_cropped_before_anything_copies_them(configuration):
    """A step that asked for a whole new volume before the crop would read the file through."""
    from trustseg_training.data import augmentation

    sample = _load(configuration).samples["train"][0]
    steps = augmentation.training(replace(configuration, augmentation="none", patch=(8, 8, 8)))
    patch = steps({name: sample[name] for name in ("image", "label")})
    assert patch["image"].shape == (1, 8, 8, 8)
    whole = sample["image"].untyped_storage().data_ptr()
    assert patch["image"].untyped_storage().data_ptr() == whole


def test_file_is_unchanged_by_changes_in_memory(configuration):
    sample = _load(configuration).samples["train"][0]
    before = sha256_of(_entry(configuration)[0])
    sample["image"][:] = 0
    assert sha256_of(_entry(configuration)[0]) == before


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def _objects(path: Path) -> None:
    """An array of objects, which only pickle reads, under the hash that is expected."""
    image = path.parent / path.name.replace(".json", ".image.npy")
    np.save(image, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["sha256"]["image"] = sha256_of(image)
    path.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "damage"),
    [
        (0, _flip),
        (0, lambda path: path.write_bytes(path.read_bytes()[:-100])),
        (0, lambda path: path.write_bytes(b"")),
        (0, lambda path: path.unlink()),
        (1, _flip),
        (1, lambda path: shutil.copy(path.parent / path.name.replace("label", "image"), path)),
        (2, lambda path: path.unlink()),
        (2, lambda path: path.write_text(path.read_text()[:40])),
        (2, lambda path: path.write_text("[]")),
        (2, lambda path: path.write_text("{}")),
        (2, _objects),
    ],
)
def test_damaged_entry_is_made_anew(configuration, reads, number, damage):
    whole = _load(replace(configuration, cache=None))
    _load(configuration)
    damage(_entry(configuration)[number])
    reads.clear()
    _assert_same(_load(configuration), whole)
    assert reads == ["case_0"]
    reads.clear()
    _assert_same(_load(configuration), whole)
    assert not reads


def test_file_that_changed_is_read_again_and_other_settings_have_entries_of_their_own(configuration, reads):
    _load(configuration)
    label = find_cases(Path(configuration.data))[2].label
    os.utime(label, ns=(0, 0))
    reads.clear()
    _load(configuration)
    assert reads == ["case_2"]
    for change in (
        {"spacing": (2.0, 1.0, 1.0)},
        {"orientation": "LPS"},
        {"label_map": {1: 2, 2: 1}},
        {"channels": ("T1",)},
        {"normalization": {"method": "window", "lower": 0.0, "upper": 50.0}},
        {"structures": ("A", "B", "C")},
    ):
        other = replace(configuration, **change)
        reads.clear()
        found = _load(other)
        assert len(reads) == 6, change
        _assert_same(found, _load(replace(other, cache=None)))
    reads.clear()
    _load(replace(configuration, patch=(8, 8, 8), seed=9, family="deterministic"))
    assert not reads


def test_same_voxels_in_two_sets_and_notes_are_found_in_a_filled_cache_too(dataset, configuration, capsys):
    from trustseg_training.data import patients as loading_data

    message = []
    for name in ("imagesTr", "labelsTr"):
        shutil.copy(dataset / name / "case_0.nii.gz", dataset / name / "case_1.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading_data, "rank_zero_info", message.append)
        _load(configuration)
        _load(configuration)
    assert len(message) == 2
    assert message[0] == message[1]
    assert "the same voxels" in message[0]
    table = dataset / "splits.csv"
    table.write_text(table.read_text().replace("case_1,train", "case_1,val"))
    with pytest.raises(DatasetError, match="the same voxels"):
        _load(configuration)
