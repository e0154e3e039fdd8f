"""Predictions of a model, and of each member of an ensemble, for an image under every condition of a suite.

The members' predictions come from the same pass as the ensemble's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.attacks import Attack, Transfer, attack
from trustseg_training.corruptions import CLEAN, Corrupted, corrupt
from trustseg_training.dataset import remap
from trustseg_training.evaluation import EvaluatedModel, on_model_grid
from trustseg_training.metrics.expected_dice import pairwise_dice
from trustseg_training.training import volume_network
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume
from TrustSegLib.imaging.grid import Grid
from TrustSegLib.inference import SegmentOptions, class_moments, sliding_window
from TrustSegLib.inference.prediction import Model, prepare_image
from TrustSegLib.inference.restore import restorer
from TrustSegLib.moments import ClassMoments

from .assessment import Record, assess
from .suite import Protocol

ModelMoments = tuple[np.ndarray, np.ndarray]
"""Mean and variance of the class probabilities, each (K, D, H, W)."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's prediction for an image under one condition.

    Attributes
    ----------
    condition : str
        Its key.
    snr_db : float or None
        Of the changed image; None for an unchanged one.
    strength : float
        Of the corruption or attack, in its own unit.
    image : Volume
        The model's input: a corrupted image is on its own grid, an attacked one on the model's.
    truth : np.ndarray
        (D, H, W) labels on the same grid.
    mean, variance : np.ndarray
        (K, D, H, W) moments of the class probabilities on the same grid.
    seconds : float
        Time of the prediction.
    members : tuple of np.ndarray
        Class probabilities (K, D, H, W) of each member of an ensemble.
    """

    condition: str
    snr_db: float | None
    strength: float
    image: Volume
    truth: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    seconds: float
    members: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A condition that cannot be applied to an image, such as an SNR that is out of reach."""

    condition: str
    reason: str


def verify_case(
    evaluated: EvaluatedModel, image: Volume, label: Volume, case: str, protocol: Protocol
) -> Iterator[Record]:
    """Put one image under every condition and measure each prediction.

    Parameters
    ----------
    evaluated, image, label, case, protocol
        As for `predictions`.

    Yields
    ------
    dict
        The record of `assess` with ``condition``, ``snr_db``, ``strength`` and ``seconds``; or ``condition``
        and why it was ``skipped``.
    """
    for prediction in predictions(evaluated, image, label, case, protocol):
        if isinstance(prediction, Skipped):
            yield {"condition": prediction.condition, "skipped": prediction.reason}
            continue
        record = assess(
            prediction.mean,
            prediction.variance,
            prediction.truth,
            prediction.image.spacing,
            evaluated.unions,
        )
        if prediction.members:
            record["scores"]["pairwise_dice"] = disagreement(prediction.members)
        header = {name: getattr(prediction, name) for name in ("condition", "snr_db", "strength", "seconds")}
        yield {**header, **record}


def predictions(
    evaluated: EvaluatedModel, image: Volume, label: Volume, case: str, protocol: Protocol
) -> Iterator[Prediction | Skipped]:
    """Predict one image under every condition.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Its model, and those of the protocol's sources, are `LoadedModel`, or every condition would load them
        again.
    image, label : Volume
        As stored; the label never changes.
    case : str
        The image's name, on which its random numbers depend.
    protocol : Protocol
        The conditions.

    Raises
    ------
    ImageError
        The clean image cannot be segmented.
    """
    truth, seed = remap(label.array, evaluated.label_map)[0], seed_of(case, protocol.seed)
    try:
        clean = _predict(evaluated, Corrupted(image, None, 0.0), CLEAN, truth, protocol.device)
    except ImageError as error:
        raise ImageError(f"{case}: {error}") from error
    yield clean
    for corruption in protocol.suite.corruptions:
        try:  # the corruption can be out of reach, or its result unusable
            corrupted = corrupt(image, corruption, seed, truth)
            prediction = _predict(evaluated, corrupted, corruption.key, truth, protocol.device)
        except (OptionError, ImageError) as error:
            yield Skipped(corruption.key, str(error))
            continue
        yield prediction
    if protocol.suite.attacks:
        yield from _attacked(evaluated, image, label, seed, protocol)


def seed_of(case: str, seed: int) -> int:
    """Seed of one image: the same for every model, different from that of any other image."""
    return int.from_bytes(hashlib.sha256(f"{seed} {case}".encode()).digest()[:4], "big")


def _predict(
    evaluated: EvaluatedModel, changed: Corrupted, condition: str, truth: np.ndarray, device: str
) -> Prediction:
    start = time.perf_counter()
    if has_members(evaluated.model.network()):
        moments, *members = restored_member_moments(changed.image, evaluated.model, device)
    else:
        moments, members = class_moments(changed.image, evaluated.model, SegmentOptions(device=device)), []
    seconds = time.perf_counter() - start
    means = tuple(mean for mean, _ in members)
    return Prediction(
        condition, changed.snr_db, changed.strength, changed.image, truth, *moments, seconds, means
    )


def _attacked(
    evaluated: EvaluatedModel, image: Volume, label: Volume, seed: int, protocol: Protocol
) -> Iterator[Prediction | Skipped]:
    """On the model's grid: an attack changes the network's input."""
    patch_shape, device = evaluated.model.description.patch_shape, protocol.device
    clean, truth = on_model_grid(evaluated, image, label)
    for each in protocol.suite.attacks:
        made, source = _made_with(each, evaluated, protocol.sources)
        if made.targeted and not (truth.array == made.source).any():
            yield Skipped(each.key, f"the image has no voxel of label {made.source}")
            continue
        attacker, window = volume_network(source.model.network()), source.model.description.patch_shape
        changed = attack(attacker.to(device), clean.array, truth.array, made, window, seed, device)
        start = time.perf_counter()
        moments, *members = _moments(changed.image, evaluated, patch_shape, device)
        seconds = time.perf_counter() - start
        snr_db, seen = _finite(changed.snr_db), clean.with_array(changed.image)
        means = tuple(mean for mean, _ in members)
        yield Prediction(each.key, snr_db, made.epsilon, seen, truth.array[0], *moments, seconds, means)


def _made_with(
    each: Attack | Transfer, evaluated: EvaluatedModel, sources: Mapping[str, EvaluatedModel]
) -> tuple[Attack, EvaluatedModel]:
    return (each.attack, sources[each.source]) if isinstance(each, Transfer) else (each, evaluated)


def _moments(
    array: np.ndarray, evaluated: EvaluatedModel, patch_shape: tuple[int, int, int], device: str
) -> list[ModelMoments]:
    network = evaluated.model.network()
    if has_members(network):
        return member_moments(array, network, patch_shape, device)
    return [sliding_window(array, volume_network(network), patch_shape, device=device)]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def has_members(network: nn.Module) -> bool:
    """Whether a network is an ensemble of at least two members."""
    return len(getattr(network, "members", ())) > 1


class EnsembleWithMembers(nn.Module):
    """An ensemble that returns its members' probabilities after its own: K classes, then K of each member.

    Parameters
    ----------
    ensemble : nn.Module
        With ``members``; its temperature and class bias change its probabilities, not those of its members.
    """

    def __init__(self, ensemble: nn.Module) -> None:
        super().__init__()
        self.ensemble, self.spec = ensemble, ensemble.spec

    @property
    def size_divisor(self) -> int:
        """That of the ensemble."""
        return self.ensemble.size_divisor

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Moments (B, K (1 + members), ...); the variance of a member is 0."""
        logits: list[Tensor] = []
        hooks = [
            member.register_forward_hook(lambda _, __, output: logits.append(output))
            for member in self.ensemble.members
        ]
        try:
            own = self.ensemble.class_moments(x)
        finally:
            for hook in hooks:
                hook.remove()
        members = [torch.softmax(each.float(), dim=1) for each in logits]
        certain = [torch.zeros_like(own.variance)] * len(members)
        return ClassMoments(
            torch.cat([own.mean, *members], dim=1), torch.cat([own.variance, *certain], dim=1)
        )


def member_moments(
    array: np.ndarray, network: nn.Module, patch_shape: tuple[int, int, int], device: str
) -> list[ModelMoments]:
    """Moments on the model's grid: those of the ensemble first, then those of each member.

    Parameters
    ----------
    array : np.ndarray
        (C, D, H, W), prepared for the network.
    network : nn.Module
        See `has_members`.
    patch_shape : tuple of int
        (D, H, W).
    device : str
        Where it runs.
    """
    together = volume_network(EnsembleWithMembers(network))
    moments = sliding_window(array, together, patch_shape, device=device)
    return list(zip(*(np.split(each, 1 + len(network.members)) for each in moments), strict=True))


def restored_member_moments(image: Volume, model: Model, device: str) -> list[ModelMoments]:
    """`member_moments` of an image as stored, on its own grid."""
    description = model.description
    prepared = prepare_image(image, description)
    own, target = Grid.of(prepared), Grid.of(image)
    found = member_moments(prepared.array, model.network(), description.patch_shape, device)
    return [restorer(*moments, own, target).rows(0, target.shape[0]) for moments in found]


def disagreement(probabilities: list[np.ndarray]) -> float:
    """One less the members' mean pairwise Dice, averaged over structures: a score that is hard to beat.

    Parameters
    ----------
    probabilities : list of np.ndarray
        (K, D, H, W) of each member.

    References
    ----------
    Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation", MedIA
    101, 2025.
    """
    masks = [each.argmax(axis=0) for each in probabilities]
    labels = range(1, len(probabilities[0]))
    return 1 - float(np.mean([pairwise_dice([mask == label for mask in masks]) for label in labels]))
