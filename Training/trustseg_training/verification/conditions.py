"""One model and one case under every condition of a suite."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trustseg_training.attacks import attack
from trustseg_training.corruptions import Corrupted, corrupt
from trustseg_training.dataset import remap
from trustseg_training.judging import LoadedModel, Subject
from trustseg_training.measures.expected_dice import pairwise_dice
from trustseg_training.run import volume_network
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.inference import SegmentOptions, class_moments, sliding_window
from TrustSegLib.inference.prediction import prepare_image

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
    """

    condition: str
    snr_db: float | None
    strength: float
    image: Volume
    truth: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Skipped:
    """A condition that an image cannot have, such as an SNR that is out of its reach."""

    condition: str
    reason: str


def verify_case(
    subject: Subject, image: Volume, label: Volume, case: str, suite: Suite, seed: int, device: str = "cpu"
) -> Iterator[Record]:
    """Put one image under every condition and measure each answer.

    Parameters
    ----------
    subject, image, label, case, suite, seed, device
        As `answers` takes them.

    Yields
    ------
    dict
        What `assess` says, with ``condition``, ``snr_db``, ``strength`` and ``seconds``; or ``condition`` and
        why it was ``skipped``.
    """
    unions = unions_of(subject)
    for answer in answers(subject, image, label, case, suite, seed, device):
        if isinstance(answer, Skipped):
            yield {"condition": answer.condition, "skipped": answer.reason}
            continue
        record = assess(answer.mean, answer.variance, answer.truth, answer.image.spacing, unions)
        if answer.condition not in {attack.key for attack in suite.attacks}:
            record["scores"] |= _disagreement(subject, answer.image, device)
        header = {name: getattr(answer, name) for name in ("condition", "snr_db", "strength", "seconds")}
        yield {**header, **record}


def answers(
    subject: Subject, image: Volume, label: Volume, case: str, suite: Suite, seed: int, device: str = "cpu"
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
    """
    truth, own = remap(label.array, subject.label_map)[0], seed_of(case, seed)
    yield _answer(subject, Corrupted(image, None, 0.0), CLEAN, truth, device)
    for corruption in suite.corruptions:
        try:
            changed = corrupt(image, corruption, own, truth)
        except (OptionError, ImageError) as error:
            yield Skipped(corruption.key, str(error))
            continue
        yield _answer(subject, changed, corruption.key, truth, device)
    if suite.attacks:
        yield from _attacked(subject, image, label.with_array(truth[None]), suite, own, device)


def _answer(subject: Subject, seen: Corrupted, condition: str, truth: np.ndarray, device: str) -> Answer:
    start = time.perf_counter()
    moments = class_moments(seen.image, subject.model, SegmentOptions(device=device))
    seconds = time.perf_counter() - start
    return Answer(condition, seen.snr_db, seen.strength, seen.image, truth, *moments, seconds)


def unions_of(subject: Subject) -> Mapping[str, Sequence[int]]:
    """Labels of every structure and region."""
    structures = {name: (index,) for index, name in enumerate(subject.structures, start=1)}
    return {**structures, **subject.regions}


def _disagreement(subject: Subject, image: Volume, device: str) -> dict[str, float]:
    """One less the members' mean pairwise Dice, for an ensemble: the score that is hard to beat."""
    members = getattr(subject.model.network(), "members", ())
    if len(members) < 2:
        return {}
    options = SegmentOptions(device=device)
    answers = [class_moments(image, _Member(subject.model, each), options)[0] for each in members]
    masks = [answer.argmax(axis=0) for answer in answers]
    labels = range(1, len(subject.structures) + 1)
    agreement = [pairwise_dice([mask == label for mask in masks]) for label in labels]
    return {"pairwise_dice": 1 - float(np.mean(agreement))}


class _Member:
    """One network of an ensemble as a model."""

    def __init__(self, model: LoadedModel, network: torch.nn.Module) -> None:
        self.description, self.sha256, self._network = model.description, model.sha256, network

    def network(self) -> torch.nn.Module:
        return self._network


def _attacked(
    subject: Subject, image: Volume, label: Volume, suite: Suite, seed: int, device: str
) -> Iterator[Answer | Skipped]:
    """On the model's grid: the attack changes what the network sees."""
    description = subject.model.description
    clean = prepare_image(image, description)
    truth = orient(label, description.input.orientation)
    if truth.array.shape[1:] != clean.array.shape[1:]:
        truth = resample(truth, clean.spacing, "nearest")
    network = volume_network(subject.model.network()).to(device)
    for how in suite.attacks:
        if how.targeted and not (truth.array == how.source).any():
            yield Skipped(how.key, f"the image has no voxel of label {how.source}")
            continue
        changed = attack(network, clean.array, truth.array, how, description.patch_shape, seed, device)
        start = time.perf_counter()
        moments = sliding_window(changed.image, network, description.patch_shape, device=device)
        seconds = time.perf_counter() - start
        snr_db, seen = _finite(changed.snr_db), clean.with_array(changed.image)
        yield Answer(how.key, snr_db, how.epsilon, seen, truth.array[0], *moments, seconds)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
