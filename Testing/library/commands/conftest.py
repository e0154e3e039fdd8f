"""A tiny model with random weights and synthetic images: the whole command runs in well under a second."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hand_made_bundles import model_content

from TrustSegLib.bundle import ModelDescription, save_bundle
from TrustSegLib.imaging import Volume, write_volume
from TrustSegLib.networks import NetworkSpec, build

ROOT = Path(__file__).resolve().parents[3]
SPEC = NetworkSpec(classes=3, filters=(4, 8), convolutions=1)


def write_model(folder: Path, name: str) -> Path:
    """Write a bundle of that name below `folder`."""
    torch.manual_seed(3)
    weights = build(SPEC).state_dict()
    content = model_content(SPEC, (16, 16, 16), name=name)
    save_bundle(folder / name, ModelDescription.from_dict(content), weights, "# Tiny\n")
    return folder / name


def make_volume(channels: int = 1) -> Volume:
    """A bright ball in noise, anisotropic and not in RAS."""
    z, y, x = np.mgrid[:14, :20, :18]
    ball = ((z - 7) ** 2 + (y - 9) ** 2 + (x - 9) ** 2 < 25) * 100.0
    noise = np.random.default_rng(0).normal(0, 5, (channels, *ball.shape))
    array = (ball + noise).astype(np.float32)
    return Volume(array, (1.0, 1.0, 1.2), (5.0, -3.0, 20.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))


@pytest.fixture(autouse=True)
def user_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the models that the user has added, not there yet; never the one of who runs the tests."""
    folder = tmp_path_factory.mktemp("user") / "trustseg" / "models"
    monkeypatch.setenv("TRUSTSEG_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model; not to be changed."""
    return write_model(tmp_path_factory.mktemp("models"), "tiny")


@pytest.fixture
def save_model() -> Callable[[Path, str], Path]:
    """Write a bundle of a name below a folder."""
    return write_model


@pytest.fixture
def new_volume() -> Callable[..., Volume]:
    """Make a good volume, of one channel or more."""
    return make_volume


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A good image."""
    path = tmp_path / "image.nii.gz"
    write_volume(make_volume(), path)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the results go; not there yet."""
    return tmp_path / "output"


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a process."""

    code: int
    out: str
    err: str


class Started:
    """A process of the command that runs beside the test."""

    def __init__(self, arguments: Sequence[object], code: str | None = None, cwd: Path | None = None) -> None:
        start = ["-m", "TrustSegLib"] if code is None else ["-c", code]
        self._process = subprocess.Popen(
            [sys.executable, *start, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            cwd=cwd,
        )

    def end(self) -> Ended:
        """Wait for it."""
        out, err = self._process.communicate()
        return Ended(self._process.returncode, out, err)


@pytest.fixture
def start() -> type[Started]:
    """Start `python -m TrustSegLib` with arguments, as a user does; or other Python code with `code`."""
    return Started
