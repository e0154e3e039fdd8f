"""A small data set of real files: a bright ball with two halves in noise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import warm_processes

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration


def write_case(data: Path, name: str, seed: int) -> None:
    """Write one patient whose structures are the left and the right half of a ball."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(size) - size / 2 for size in (14, 16, 18)), indexing="ij"))
    center = generator.uniform(-1, 1, (3, 1, 1, 1))
    ball = ((grid - center) ** 2).sum(0) < 5.0**2
    label = np.where(ball, np.where(grid[2] > center[2], 1, 2), 0)
    image = 100 * ball + 50 * (label == 1) + generator.normal(0, 5, ball.shape)
    for folder, array in (("imagesTr", image.astype(np.float32)), ("labelsTr", label.astype(np.uint8))):
        (data / folder).mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(array), str(data / folder / f"{name}.nii.gz"))


@pytest.fixture(scope="session")
def shared_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training and two validation patients; not to be changed."""
    data = tmp_path_factory.mktemp("data") / "a dataset é"
    names = [f"case_{index}" for index in range(6)]
    for index, name in enumerate(names):
        write_case(data, name, index)
    rows = [f"{name},{'train' if index < 4 else 'val'}" for index, name in enumerate(names)]
    (data / "splits.csv").write_text("\n".join(["case,split", *rows]) + "\n")
    return data


@pytest.fixture
def dataset(shared_dataset: Path, tmp_path: Path) -> Path:
    """A copy of it, free to be damaged."""
    return Path(shutil.copytree(shared_dataset, tmp_path / shared_dataset.name))


@pytest.fixture(scope="session")
def trained_once(shared_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A run on the shared data by the options of `fit`; the same for the same options, not to be changed."""

    @cache
    def train(*options: str) -> Path:
        run = tmp_path_factory.mktemp("trained") / "run"
        assert main(["fit", str(shared_dataset), "-o", str(run), "--accelerator", "cpu", *options]) == 0
        return run

    return train


@pytest.fixture
def trained(trained_once: Callable[..., Path], dataset: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of such a run, free to be changed, as if it had been trained on the test's own data."""

    def copy(*options: str, name: str = "run") -> Path:
        run = Path(shutil.copytree(trained_once(*options), tmp_path / name))
        replace(FitConfiguration.load(run), data=str(dataset)).save(run)
        return run

    return copy


@pytest.fixture
def warm_processes_for_jobs(monkeypatch) -> None:
    """The processes of `--jobs` start at once."""
    monkeypatch.setattr("trustseg_training.evaluation.processes.START", warm_processes.METHOD)


@pytest.fixture
def details(tmp_path) -> Path:
    """The example that ships, for the structures of the test."""
    shipped = Path(__file__).parents[2] / "Training" / "models" / "hippocampus-t1.json"
    content = json.loads(shipped.read_text(encoding="utf-8"))
    for structure, name in zip(content["structures"], ("Left half", "Right half"), strict=True):
        structure["name"] = name
    shutil.copy(shipped.with_name(content["locator"]["atlas"]), tmp_path)
    path = tmp_path / "details.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
