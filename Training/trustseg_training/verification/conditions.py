"""One model and one case under every condition of a suite."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trustseg_training.attacks import Attack, Transfer, attack
from trustseg_training.corruptions import Corrupted, corrupt
from trustseg_training.dataset import remap
from trustseg_training.judging import Subject
from trustseg_training.run import volume_network
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import Volume, orient, resample
from TrustSegLib.inference import SegmentOptions, class_moments, sliding_window
from TrustSegLib.inference.prediction import prepare_image

from .assessment import Record, assess
from .members import disagreement, has_members, passed, passed_and_back
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
    subject: Subject,
    image: Volume,
    label: Volume,
    case: str,
    suite: Suite,
    seed: int,
    device: str = "cpu",
    sources: Mapping[str, Subject] | None = None,
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
    subject: Subject,
    image: Volume,
    label: Volume,
    case: str,
    suite: Suite,
    seed: int,
    device: str = "cpu",
    sources: Mapping[str, Subject] | None = None,
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


def _answer(subject: Subject, seen: Corrupted, condition: str, truth: np.ndarray, device: str) -> Answer:
    start = time.perf_counter()
    if has_members(subject.model.network()):
        moments, *members = passed_and_back(seen.image, subject.model, device)
    else:
        moments, members = class_moments(seen.image, subject.model, SegmentOptions(device=device)), []
    seconds = time.perf_counter() - start
    own = tuple(mean for mean, _ in members)
    return Answer(condition, seen.snr_db, seen.strength, seen.image, truth, *moments, seconds, own)


def unions_of(subject: Subject) -> Mapping[str, Sequence[int]]:
    """Labels of every structure and region."""
    structures = {name: (index,) for index, name in enumerate(subject.structures, start=1)}
    return {**structures, **subject.regions}


def _attacked(
    subject: Subject,
    image: Volume,
    label: Volume,
    suite: Suite,
    seed: int,
    device: str,
    sources: Mapping[str, Subject],
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
    each: Attack | Transfer, subject: Subject, sources: Mapping[str, Subject]
) -> tuple[Attack, Subject]:
    return (each.attack, sources[each.source]) if isinstance(each, Transfer) else (each, subject)


def _passed(
    array: np.ndarray, subject: Subject, patch_shape: tuple[int, int, int], device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    network = subject.model.network()
    if has_members(network):
        return passed(array, network, patch_shape, device)
    return [sliding_window(array, volume_network(network), patch_shape, device=device)]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
