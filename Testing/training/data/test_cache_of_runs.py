"""A run with prepared images on a disk: a full one, one that cannot be written, one that is gone."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.data import cache
from trustseg_training.dataset import Inspector
from trustseg_training.training import lightning_module

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "12"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--family", "deterministic", "--epochs", "2"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the images that are read from their own files from now on."""
    original, names = Inspector.read, []

    def read(self, case):
        names.append(case.name)
        return original(self, case)

    monkeypatch.setattr(Inspector, "read", read)
    return names


def _full_disk(monkeypatch) -> None:
    """From the third array on, a disk takes half a file."""
    original, count = np.save, []

    def save(stream, array, **options):
        count.append(array)
        if len(count) > 2:
            stream.write(array.tobytes()[:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(stream, array, **options)

    monkeypatch.setattr(cache.np, "save", save)


def test_full_disk_is_reported_in_one_line_and_leaves_the_run_unchanged(
    dataset, tmp_path, monkeypatch, capsys, reads
):
    run, place = tmp_path / "run", tmp_path / "c"
    original = lightning_module.Segmentation.training_step

    def interrupted(self, batch, index):
        if self.current_epoch == 1:
            raise FloatingPointError("the loss is nan")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(lightning_module.Segmentation, "training_step", interrupted)
        assert _fit(dataset, run, "--cache", str(place)) == 2
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shutil.rmtree(place)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        _full_disk(patch)
        assert _fit(dataset, run, "--cache", str(place), "--resume") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "trustseg-train" in line]
    assert error == [
        f"trustseg-train: error: {place}: the disk is full; make room, or choose another folder for the cache"
    ]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert sorted(path.suffix for path in place.iterdir()) == [".json", ".npy", ".npy"]
    # The one image that was written whole is taken; and the run goes on with a cache elsewhere.
    reads.clear()
    assert _fit(dataset, run, "--cache", str(tmp_path / "d"), "--resume") == 0
    assert len(reads) == 6
    assert _fit(dataset, tmp_path / "unbroken") == 0
    states = [torch.load(each / "last.ckpt", weights_only=True) for each in (run, tmp_path / "unbroken")]
    assert all(torch.equal(value, states[1]["state_dict"][k]) for k, value in states[0]["state_dict"].items())


def test_folder_that_cannot_be_made_is_named(dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert _fit(dataset, tmp_path / "run", "--cache", str(tmp_path / "file")) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'file'}: cannot be written" in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_run_whose_cache_is_gone_is_calibrated_and_exported(dataset, details, tmp_path):
    run, place = tmp_path / "run", tmp_path / "c"
    assert _fit(dataset, run, "--cache", str(place)) == 0
    shutil.rmtree(place)
    assert main(["calibrate", str(run), "--device", "cpu"]) == 0
    command = ["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]
    assert main(command) == 0
    assert not place.exists()
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "--cache c" in card
    assert str(tmp_path) not in card


def test_init_asks_for_a_cache_where_the_images_do_not_fit_the_memory(dataset, tmp_path, monkeypatch):
    from trustseg_training.config import planning

    texts = {}
    for name, machine in (("small", 2**17), ("large", 2**30), ("unknown", None)):
        monkeypatch.setattr(planning, "machine_bytes", lambda machine=machine: machine)
        assert main(["init", str(dataset), "-o", str(tmp_path / f"{name}.yaml")]) == 0
        texts[name] = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8")
    # 6 images of 14 x 16 x 18 voxels, each of 4 bytes and a label of 1.
    assert f"# Memory of all prepared images: {6 * 14 * 16 * 18 * 5 / 2**30:.3g} GiB" in texts["small"]
    assert "name a folder on a fast disk, such as cache" in texts["small"].replace("\n# ", " ")
    for name in ("large", "unknown"):
        assert "fast disk" not in texts[name]
    assert all("\ncache: null\n" in text for text in texts.values())
