"""What one model, and each member of an ensemble, answers to one image under every condition of a suite.

The members' answers come of the same pass as the ensemble's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.attacks import Attack, Transfer, attack
from trustseg_training.corruptions import Corrupted, corrupt
from trustseg_training.dataset import remap
from trustseg_training.evaluation import EvaluatedModel
from trustseg_training.metrics.expected_dice import pairwise_dice
from trustseg_training.training import volume_network
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.imaging.grid import Grid
from TrustSegLib.inference import SegmentOptions, class_moments, sliding_window
from TrustSegLib.inference.prediction import Model, prepare_image
from TrustSegLib.inference.restore import restorer
from TrustSegLib.moments import ClassMoments

from .assessment import Record, assess
from .suite import CLEAN, Suite


def seed_of(case: str, seed: int) -> int:
    """Seed of one image: the same for every model, other than that of any other image."""
    return int.from_bytes(hashlib.sha256(f"{seed} {case}".encode()).digest()[:4], "big")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model makes of an image under one condition.

    Attributes
    ----------
    condition : str
        Its key.
    snr_db : float or None
        Of what was changed; None where nothing was.
    strength : float
        Of the corruption or attack, in its own unit.
    image : Volume
        As the model got it: a corrupted image is on its own grid, an attacked one on the model's.
    truth : np.ndarray
        (D, H, W) labels there.
    mean, variance : np.ndarray
        (K, D, H, W) moments of the class probabilities there.
    seconds : float
        That the answer took.
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
    """A condition that an image cannot have, such as an SNR that is out of its reach."""

    condition: str
    reason: str


def verify_case(
    subject: EvaluatedModel,
    image: Volume,
    label: Volume,
    case: str,
    suite: Suite,
    seed: int,
    device: str = "cpu",
    sources: Mapping[str, EvaluatedModel] | None = None,
) -> Iterator[Record]:
    """Put one image under every condition and measure each answer.

    Parameters
    ----------
    subject, image, label, case, suite, seed, device, sources
        As `answers` takes them.

    Yields
    ------
    dict
        What `assess` says, with ``condition``, ``snr_db``, ``strength`` and ``seconds``; or ``condition`` and
        why it was ``skipped``.
    """
    unions = unions_of(subject)
    for answer in answers(subject, image, label, case, suite, seed, device, sources):
        if isinstance(answer, Skipped):
            yield {"condition": answer.condition, "skipped": answer.reason}
            continue
        record = assess(answer.mean, answer.variance, answer.truth, answer.image.spacing, unions)
        if answer.members:
            record["scores"]["pairwise_dice"] = disagreement(answer.members)
        header = {name: getattr(answer, name) for name in ("condition", "snr_db", "strength", "seconds")}
        yield {**header, **record}


def answers(
    subject: EvaluatedModel,
    image: Volume,
    label: Volume,
    case: str,
    suite: Suite,
    seed: int,
    device: str = "cpu",
    sources: Mapping[str, EvaluatedModel] | None = None,
) -> Iterator[Answer | Skipped]:
    """What a model makes of one image under every condition.

    Parameters
    ----------
    subject : Subject
        Whose model is a `LoadedModel`, or every condition would load it anew.
    image, label : Volume
        As they are on the disk; the label never changes.
    case : str
        The image's name, which its random numbers depend on.
    suite : Suite
        The conditions.
    seed : int
        Of the whole verification.
    device : str
        Where the network runs.
    sources : mapping of str to Subject, optional
        The models that `attacks.Transfer` names, loaded too; they know images as the subject does.
    """
    truth, own = remap(label.array, subject.label_map)[0], seed_of(case, seed)
    try:
        clean = _answer(subject, Corrupted(image, None, 0.0), CLEAN, truth, device)
    except ImageError as error:
        raise ImageError(f"{case}: {error}") from error
    yield clean
    for corruption in suite.corruptions:
        try:  # what an image becomes can be out of reach, or nothing that a model can be given
            answer = _answer(subject, corrupt(image, corruption, own, truth), corruption.key, truth, device)
        except (OptionError, ImageError) as error:
            yield Skipped(corruption.key, str(error))
            continue
        yield answer
    if suite.attacks:
        yield from _attacked(subject, image, label.with_array(truth[None]), suite, own, device, sources or {})


def _answer(
    subject: EvaluatedModel, seen: Corrupted, condition: str, truth: np.ndarray, device: str
) -> Answer:
    start = time.perf_counter()
    if has_members(subject.model.network()):
        moments, *members = passed_and_back(seen.image, subject.model, device)
    else:
        moments, members = class_moments(seen.image, subject.model, SegmentOptions(device=device)), []
    seconds = time.perf_counter() - start
    own = tuple(mean for mean, _ in members)
    return Answer(condition, seen.snr_db, seen.strength, seen.image, truth, *moments, seconds, own)


def unions_of(subject: EvaluatedModel) -> Mapping[str, Sequence[int]]:
    """Labels of every structure and region."""
    structures = {name: (index,) for index, name in enumerate(subject.structures, start=1)}
    return {**structures, **subject.regions}


def _attacked(
    subject: EvaluatedModel,
    image: Volume,
    label: Volume,
    suite: Suite,
    seed: int,
    device: str,
    sources: Mapping[str, EvaluatedModel],
) -> Iterator[Answer | Skipped]:
    """On the model's grid: the attack changes what the network sees."""
    patch_shape = subject.model.description.patch_shape
    clean = prepare_image(image, subject.model.description)
    truth = orient(label, subject.model.description.input.orientation)
    if truth.array.shape[1:] != clean.array.shape[1:]:
        truth = resample(truth, clean.spacing, "nearest")
    for each in suite.attacks:
        how, source = _made_with(each, subject, sources)
        if how.targeted and not (truth.array == how.source).any():
            yield Skipped(each.key, f"the image has no voxel of label {how.source}")
            continue
        attacker, window = volume_network(source.model.network()), source.model.description.patch_shape
        changed = attack(attacker.to(device), clean.array, truth.array, how, window, seed, device)
        start = time.perf_counter()
        moments, *members = _passed(changed.image, subject, patch_shape, device)
        seconds = time.perf_counter() - start
        snr_db, seen = _finite(changed.snr_db), clean.with_array(changed.image)
        own = tuple(mean for mean, _ in members)
        yield Answer(each.key, snr_db, how.epsilon, seen, truth.array[0], *moments, seconds, own)


def _made_with(
    each: Attack | Transfer, subject: EvaluatedModel, sources: Mapping[str, EvaluatedModel]
) -> tuple[Attack, EvaluatedModel]:
    return (each.attack, sources[each.source]) if isinstance(each, Transfer) else (each, subject)


def _passed(
    array: np.ndarray, subject: EvaluatedModel, patch_shape: tuple[int, int, int], device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    network = subject.model.network()
    if has_members(network):
        return passed(array, network, patch_shape, device)
    return [sliding_window(array, volume_network(network), patch_shape, device=device)]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def has_members(network: nn.Module) -> bool:
    """Whether it is an ensemble of at least two."""
    return len(getattr(network, "members", ())) > 1


class Together(nn.Module):
    """An ensemble that tells its members' probabilities behind its own: K classes, then K of each member.

    Parameters
    ----------
    ensemble : nn.Module
        With ``members``; a temperature changes its probabilities, not those of its members.
    """

    def __init__(self, ensemble: nn.Module) -> None:
        super().__init__()
        self.ensemble, self.spec = ensemble, ensemble.spec

    @property
    def size_divisor(self) -> int:
        """As the ensemble's."""
        return self.ensemble.size_divisor

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Moments (B, K (1 + members), ...); the variance of a member is 0."""
        logits: list[Tensor] = []
        hooks = [
            member.register_forward_hook(lambda _, __, answer: logits.append(answer))
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


def passed(
    array: np.ndarray, network: nn.Module, patch_shape: tuple[int, int, int], device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Moments (K, D, H, W) on the model's grid: those of the ensemble first, then those of each member.

    Parameters
    ----------
    array : np.ndarray
        (C, D, H, W) as the network knows it.
    network : nn.Module
        See `has_members`.
    patch_shape : tuple of int
        (D, H, W).
    device : str
        Where it runs.
    """
    together = volume_network(Together(network))
    moments = sliding_window(array, together, patch_shape, device=device)
    return list(zip(*(np.split(each, 1 + len(network.members)) for each in moments), strict=True))


def passed_and_back(image: Volume, model: Model, device: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of an image as it is on the disk, on its own grid."""
    description = model.description
    prepared = prepare_image(image, description)
    own, target = Grid.of(prepared), Grid.of(image)
    found = passed(prepared.array, model.network(), description.patch_shape, device)
    return [restorer(*moments, own, target).rows(0, target.shape[0]) for moments in found]


def disagreement(probabilities: list[np.ndarray]) -> float:
    """One less the members' mean pairwise Dice, mean over structures: a score that is hard to beat.

    Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation", MedIA
    101, 2025.

    Parameters
    ----------
    probabilities : list of np.ndarray
        (K, D, H, W) of each member.
    """
    masks = [each.argmax(axis=0) for each in probabilities]
    labels = range(1, len(probabilities[0]))
    return 1 - float(np.mean([pairwise_dice([mask == label for mask in masks]) for label in labels]))
