"""The network's part of a segmentation: an image and a model to class moments on the image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from TrustSegLib.errors import BundleError, ImageError, OptionError
from TrustSegLib.imaging import Volume, normalize, orient, resample
from TrustSegLib.imaging.grid import Box, Grid
from TrustSegLib.inference.device import choose_device
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.plan import Plan, check_plan, memory_gb
from TrustSegLib.inference.restore import Restorer, restorer
from TrustSegLib.inference.sliding_window import pad_to_patch, patch_tasks, sliding_window
from TrustSegLib.inference.stages import Stages
from TrustSegLib.inference.storage import Storage
from TrustSegLib.moments import ClassMoments
from TrustSegLib.uncertainty.bounding_box import bounding_box, with_margin

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription


SAME_SPACING = 1e-3
"""Spacings that differ by less than this fraction are the same: headers round, and interpolation blurs."""
PREPARING = 3
"""Steps of the preparation: turn, resample, normalize."""


class Model(Protocol):
    """What `segment` needs of a bundle."""

    description: ModelDescription
    sha256: str

    def network(self) -> torch.nn.Module:
        """Network with its weights, in evaluation mode."""

    def calibration(self) -> Mapping[str, Any] | None:
        """Content of a valid `calibration.json`; None when the model has none."""

    def atlas(self) -> Volume | None:
        """Atlas of the locator; None, and never asked for, when the model has no locator."""


def class_moments(
    volume: Volume, bundle: Model, options: SegmentOptions | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities of an image and their variances, from which `segment` makes mask and maps.

    Parameters
    ----------
    volume, bundle, options
        As for `segment`, without a ROI.

    Returns
    -------
    tuple of np.ndarray
        Mean and variance `(K, D, H, W)` float32 of the class probabilities on the image's own grid.

    Raises
    ------
    TrustSegError
        As `segment`.
    """
    options = options or SegmentOptions()
    if options.roi is not None:
        raise OptionError("roi: the class moments are those of a whole image; leave it out")
    box = Box((0, 0, 0), Grid.of(volume).shape)
    device = choose_device(options.device)
    whole, _ = predict(volume, bundle, box, options, device, Stages())
    return whole.rows(0, box.shape[0])


def predict(
    volume: Volume,
    bundle: Model,
    box: Box,
    options: SegmentOptions,
    device: torch.device,
    stages: Stages,
) -> tuple[Restorer, Plan]:
    """Pass the part of an image that a box needs through the network.

    Parameters
    ----------
    volume, bundle, options
        As for `segment`.
    box : Box
        Part of the image's grid to predict.
    device : torch.device
        Where the network runs.
    stages : Stages
        Gets the stages `prepare` and `predict`, and in between the plan.

    Returns
    -------
    Restorer
        Returns the class moments of the box, row by row.
    Plan
        The work that was done.

    Raises
    ------
    TrustSegError
        As `segment`.
    """
    description = bundle.description
    check_image(volume, description)
    check_plan(volume, description)
    target = Grid.of(volume).crop(box)
    with stages.stage("prepare"):
        prepared = prepare_image(volume, description, stages)
        region = _region(Grid.of(prepared), target, description.patch_shape)
        array, source = prepared.array[(slice(None), *region.slices)], Grid.of(prepared).crop(region)
        body = body_box(array, description.patch_shape)
        array, source = array[(slice(None), *body.slices)], source.crop(body)
        del prepared
        stages.report("prepare", PREPARING, PREPARING)
    plan = _plan(volume, array, description, options)
    stages.plan(plan)
    with stages.stage("predict"):
        mean, variance = sliding_window(
            array,
            _network(bundle),
            description.patch_shape,
            window=options.window,
            device=device,
            storage=Storage(options.memory_gb),
            stages=stages,
        )
        _check_classes(mean, description)
    return restorer(mean, variance, source, target), plan


def _plan(volume: Volume, array: np.ndarray, description: ModelDescription, options: SegmentOptions) -> Plan:
    """Plan for an image whose part `(C, D, H, W)` goes through the network."""
    padded, _ = pad_to_patch(array, description.patch_shape)
    tasks, seen = patch_tasks(padded, description.patch_shape, options.overlap), array.shape[1:]
    return Plan(
        size=volume.size,
        seen=seen[::-1],
        spacing_mm=description.input.spacing_mm,
        patches=len(tasks),
        computed=sum(not task.known for task in tasks),
        memory_gb=memory_gb(volume, seen, description, len(options.maps), options.memory_gb),
    )


def check_image(volume: Volume, description: ModelDescription) -> None:
    """Raise an `ImageError` for other channels than the model's, and for voxels that are not finite."""
    expected, found = len(description.channels), volume.channels
    if found != expected:
        raise ImageError(
            f"the image has {found} channel{'s' * (found != 1)}, model {description.name} expects {expected} "
            f"({', '.join(description.channels)}); give the image it was made for, or choose another model"
        )
    # Plane by plane: a mask of the whole image would cost a quarter of its memory.
    if not all(np.isfinite(plane).all() for channel in volume.array for plane in channel):
        raise ImageError("the image holds NaN or infinite voxels; replace them before it is segmented")


def prepare_image(volume: Volume, description: ModelDescription, stages: Stages | None = None) -> Volume:
    """Orient, resample and normalize an image; each step replaces the one before: at most two in memory."""
    wanted, stages = description.input, stages or Stages()
    volume = orient(volume, wanted.orientation)
    stages.report("prepare", 1, PREPARING)
    stages.check()
    if not np.allclose(volume.spacing, wanted.spacing_mm, rtol=SAME_SPACING, atol=0.0):
        volume = resample(volume, wanted.spacing_mm, "linear")
    stages.report("prepare", 2, PREPARING)
    stages.check()
    return normalize(volume, wanted.normalization)


def _region(model_grid: Grid, target: Grid, patch_shape: tuple[int, int, int]) -> Box:
    """Part of the model's grid to pass through the network for a target.

    A quarter of a patch is added around it, so that the target's border is not a patch's border, and it is
    never smaller than a patch while the image goes on.
    """
    margin = tuple(size // 4 for size in patch_shape)
    return model_grid.box_around(target.corners(), margin).grown_to(patch_shape, model_grid.shape)


def body_box(array: np.ndarray, patch_shape: tuple[int, int, int]) -> Box:
    """Part of an image that holds anything but its lowest value, with a quarter of a patch around it.

    Outside of it is nothing to segment: air, which the window of a CT makes one value, or the 0 around a
    skull-stripped brain. The lowest value is taken as it is, without a threshold: where air has noise, the
    box is the whole image.

    Parameters
    ----------
    array : np.ndarray
        `(C, D, H, W)` as the network sees it.
    patch_shape : tuple of int
        `(D, H, W)` voxels; the box is never smaller while the image goes on.
    """
    shape, lowest = array.shape[1:], array.min(axis=(1, 2, 3), keepdims=True)[:, 0]
    found = bounding_box((array[:, plane] > lowest).any(axis=0) for plane in range(shape[0]))
    if found is None:
        return Box((0, 0, 0), shape)
    found = with_margin(found, tuple(size // 4 for size in patch_shape), shape)
    box = Box(tuple(side.start for side in found), tuple(side.stop for side in found))
    return box.grown_to(patch_shape, shape)


def _network(bundle: Model) -> torch.nn.Module:
    network = bundle.network()
    is_planar = bundle.description.network.get("dimensions", 3) == 2
    return PlaneNetwork(network) if is_planar else network


def _check_classes(mean: np.ndarray, description: ModelDescription) -> None:
    if len(mean) != description.classes:
        raise BundleError(
            f"model {description.name}: its network returns {len(mean)} classes, its description names "
            f"{description.classes}; get the model again"
        )


class PlaneNetwork(torch.nn.Module):
    """A 2D network, of `(B, C, H, W)`, applied to patches one voxel thick, `(B, C, 1, H, W)`.

    Parameters
    ----------
    network : nn.Module
        With `class_moments` for `(B, C, H, W)`.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.size_divisor = (1, network.size_divisor, network.size_divisor)

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        """Class moments `(B, K, 1, H, W)`."""
        mean, variance = self.network.class_moments(patches.squeeze(2))
        return ClassMoments(mean.unsqueeze(2), variance.unsqueeze(2))


class Uncalibrated:
    """A model without its calibration: `segment` then returns the raw error probability.

    The scores of a `SegmentationResult` are raw with any model.

    Parameters
    ----------
    model : Model
        A bundle, or any other model.
    """

    def __init__(self, model: Model) -> None:
        self.description, self.sha256 = model.description, model.sha256
        self._model = model

    def network(self) -> nn.Module:
        """The network of the model."""
        return self._model.network()

    def calibration(self) -> Mapping[str, Any] | None:
        """None: probabilities and scores stay as the network gives them."""
        return None

    def atlas(self) -> Volume | None:
        """The atlas of the model's locator."""
        return self._model.atlas()


class LoadedModel:
    """A model whose network is kept in memory, for several images.

    Parameters
    ----------
    model : Model
        A bundle, or any other model.
    """

    def __init__(self, model: Model) -> None:
        self.description, self.sha256 = model.description, model.sha256
        self._model, self._network = model, model.network()
        self._calibration = model.calibration()

    def network(self) -> nn.Module:
        """The same network each time."""
        return self._network

    def calibration(self) -> Mapping[str, Any] | None:
        """That of the model."""
        return self._calibration

    def atlas(self) -> Volume | None:
        """That of the model's locator."""
        return self._model.atlas()
