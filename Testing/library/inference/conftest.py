"""Networks with known outputs, and images and models for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from TrustSegLib.bundle import Code, ModelDescription, ModelInput, Structure, Terminology, TrainingRecord
from TrustSegLib.imaging import Normalization, Volume
from TrustSegLib.moments import ClassMoments

KEEP = Normalization(method="window", lower=0.0, upper=1.0)
"""Leaves intensities between 0 and 1 as they are."""


class PointwiseNetwork(torch.nn.Module):
    """Predicts each voxel from its own intensity x: p = (1 - q, q), q = .1 + .8 x, v = p (1 - p) / 2."""

    size_divisor = 4

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        self.seen.append(patches.clone())
        q = 0.1 + 0.8 * patches[:, :1]
        mean = torch.cat([1 - q, q], dim=1)
        return ClassMoments(mean, 0.5 * mean * (1 - mean))


class ContextNetwork(torch.nn.Module):
    """Predicts from a voxel's intensity and the mean of its patch, so that overlapping patches disagree."""

    size_divisor = 1

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        context = patches.mean(dim=(2, 3, 4), keepdim=True)
        logits = [patches, (2 * context).expand_as(patches), 1 - 3 * context * patches]
        mean = torch.softmax(torch.cat(logits, dim=1), dim=1)
        return ClassMoments(mean, mean * (1 - mean) * context.abs().clamp(0.05, 1.0))


class DirectionNetwork(torch.nn.Module):
    """Class 1, 2, 3 where the intensity grows most towards R, A, S: flipped or exchanged axes change it."""

    size_divisor = 1

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        growth = [patches.roll(-1, dims=axis) - patches for axis in (4, 3, 2)]
        winner = torch.cat([torch.full_like(patches, 0.3), *growth], dim=1).argmax(dim=1)
        mean = 0.1 + 0.6 * torch.nn.functional.one_hot(winner, 4).movedim(-1, 1).float()
        return ClassMoments(mean, 0.25 * mean * (1 - mean))


@pytest.fixture
def pointwise() -> PointwiseNetwork:
    return PointwiseNetwork().eval()


@pytest.fixture
def context() -> ContextNetwork:
    return ContextNetwork().eval()


@pytest.fixture
def direction() -> DirectionNetwork:
    return DirectionNetwork().eval()


@pytest.fixture
def make_model() -> Callable[..., SimpleNamespace]:
    """Model around a network: what `segment` needs of a bundle."""

    def make(
        network: torch.nn.Module,
        structures: int = 1,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        patch: tuple[int, int, int] = (8, 8, 8),
        normalization: Normalization = KEEP,
        dimensions: int = 3,
        calibration: Mapping[str, Any] | None = None,
    ) -> SimpleNamespace:
        code = Code("SCT", "123037004", "Anatomical Structure")
        description = ModelDescription(
            name="fake",
            version="1.0.0",
            description="A network with a known output.",
            modality="MR",
            channels=("T1",),
            structures=tuple(
                Structure(label, f"Structure {label}", (255, 0, 0), Terminology(code, code))
                for label in range(1, structures + 1)
            ),
            input=ModelInput(spacing, "RAS", normalization, patch),
            family="vdp",
            propagation="exact",
            network={"dimensions": dimensions},
            training=TrainingRecord("none", "none", {"train": 1}, "none", 0),
            license="none",
        )
        return SimpleNamespace(
            description=description,
            sha256="0" * 64,
            network=lambda: network,
            calibration=lambda: calibration,
        )

    return make


@pytest.fixture
def make_volume() -> Callable[..., Volume]:
    """Random volume in RAS orientation, intensities between 0 and 1."""

    def make(
        shape: tuple[int, int, int] = (11, 12, 14),
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        rotation: np.ndarray | None = None,
        channels: int = 1,
    ) -> Volume:
        array = np.random.default_rng(7).random((channels, *shape), dtype=np.float32)
        axes = (np.eye(3) if rotation is None else rotation) @ np.diag([-1.0, -1.0, 1.0])
        return Volume(array, spacing, (30.0, 20.0, -10.0), tuple(axes.ravel()))

    return make


@pytest.fixture
def rotation() -> np.ndarray:
    """Rotation by 20 degrees about x after 15 degrees about z: no axis of the grid is one of the patient."""
    a, b = np.deg2rad([20.0, 15.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_x @ about_z
