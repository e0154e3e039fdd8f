"""Which cases and conditions are shown as pictures, and the slices of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trustseg_training.dataset import Case, Inspector, known_values
from trustseg_training.evaluation import EvaluatedModel, LoadedModel
from trustseg_training.metrics import dice
from trustseg_training.metrics.decomposition import error_probability
from trustseg_training.robustness.conditions import Skipped, answers
from trustseg_training.robustness.suite import Suite
from trustseg_training.robustness.tables import Tables
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume
from TrustSegLib.report.planes import PLANES
from TrustSegLib.report.scene import make_scene

from .named_conditions import GROUPS, named_conditions

MOST_CONDITIONS = 3


@dataclass(frozen=True, eq=False)
class Shown:
    """One slice of what a model made of an image; all arrays (rows, columns), in the radiological view.

    Attributes
    ----------
    model : str
        Its name.
    image : np.ndarray
        What it saw: an attack is another one for each model.
    truth, prediction : np.ndarray
        Labels.
    uncertainty : np.ndarray
        Error probability, 0 to 1.
    size_mm : tuple of float
        (rows, columns).
    window : tuple of float
        Values of the image that are black and white.
    dice : float
        Of the whole volume, mean over the structures.
    """

    model: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    uncertainty: np.ndarray
    size_mm: tuple[float, float]
    window: tuple[float, float]
    dice: float


@dataclass(frozen=True)
class Example:
    """One case under one condition: ``plane`` says which slice it is, ``answers`` has one for each model."""

    case: str
    condition: str
    plane: str
    structures: tuple[str, ...]
    answers: tuple[Shown, ...]


def choose_examples(tables: Tables, suite: Suite) -> tuple[tuple[str, ...], Suite]:
    """The case nearest the median Dice and the worst one, and the hardest condition of each group.

    Parameters
    ----------
    tables : Tables
        What was measured; the mean over all models and conditions of a case is its Dice.
    suite : Suite
        Of the verification.

    Returns
    -------
    tuple of str, Suite
        Names of one or two cases; a suite of at most `MOST_CONDITIONS` conditions besides the clean image:
        of noises, artifacts and attacks, that with the lowest mean Dice.
    """
    by_case = tables.cases.groupby("case", sort=False)["dice"].mean()
    median = (by_case - by_case.median()).abs().idxmin()
    by_condition = tables.cases.groupby("condition", sort=False)["dice"].mean()
    chosen = set()
    for group in GROUPS:
        keys = [
            each.key for each in named_conditions(suite) if each.group == group and each.key in by_condition
        ]
        if keys:
            chosen.add(by_condition[keys].idxmin())
    shown = replace(
        suite,
        corruptions=tuple(each for each in suite.corruptions if each.key in chosen),
        attacks=tuple(each for each in suite.attacks if each.key in chosen),
    )
    return tuple(dict.fromkeys((median, by_case.idxmin()))), shown


def examples_of(
    subjects: Sequence[EvaluatedModel], cases: Sequence[Case], suite: Suite, seed: int, device: str = "cpu"
) -> list[Example]:
    """Slices of the cases, clean and under the conditions of the suite, by every model.

    Parameters
    ----------
    subjects : sequence of Subject
        The models.
    cases : sequence of Case
        What is shown, see `choose_examples`.
    suite : Suite
        Its conditions are shown, all of them.
    seed : int
        Of the verification, so that the pictures are those that were measured.
    device : str
        Where the networks run.

    Raises
    ------
    ImageError
        A case cannot be read.
    """
    return [example for case in cases for example in _of_case(subjects, case, suite, seed, device)]


def _of_case(
    subjects: Sequence[EvaluatedModel], case: Case, suite: Suite, seed: int, device: str
) -> Iterator[Example]:
    found: dict[str, list[Shown]] = {}
    planes: dict[str, str] = {}
    loaded = {each.name: _loaded(each, case) for each in subjects}
    for subject in loaded.values():
        image, label = _read(subject, case)
        for each in answers(subject, image, label, case.name, suite, seed, device, loaded):
            if isinstance(each, Skipped):
                continue  # the report's table says why
            plane, shown = _slice(subject, each.image, each.image.with_array(each.truth[None]), each.mean)
            found.setdefault(each.condition, []).append(shown)
            planes.setdefault(each.condition, plane)
    for condition, shown in found.items():
        yield Example(case.name, condition, planes[condition], subjects[0].structures, tuple(shown))


def _loaded(subject: EvaluatedModel, case: Case) -> EvaluatedModel:
    own = subject.of_patient(case.patient)
    return replace(own, model=LoadedModel(own.model))


def _read(subject: EvaluatedModel, case: Case) -> tuple[Volume, Volume]:
    known = known_values(subject.label_map, len(subject.structures) + 1)
    checks = Inspector(subject.model.description.channels, known)
    volumes = checks.read(case)
    if volumes is None:
        raise ImageError("; ".join(checks.problems))
    return volumes


def _slice(subject: EvaluatedModel, image: Volume, truth: Volume, mean: np.ndarray) -> tuple[str, Shown]:
    """The plane that shows most of the true structures: the same for every model and condition of a grid."""
    prediction = mean.argmax(axis=0)
    maps = image.with_array(error_probability(mean)[None])
    scene = make_scene(image, truth, maps)
    labels = make_scene(image, truth, image.with_array(prediction[None])).uncertainty
    areas = [_area(plane.slice(scene.labels, scene.index), plane.extent(scene.spacing)) for plane in PLANES]
    plane = PLANES[int(np.argmax(areas))]
    cut = [
        plane.slice(array, scene.index) for array in (scene.image, scene.labels, labels, scene.uncertainty)
    ]
    values = [dice(prediction == label, truth.array[0] == label) for label in _labels(subject)]
    sizes = {"size_mm": scene.size_mm(plane), "window": scene.window, "dice": float(np.mean(values))}
    return plane.name.lower(), Shown(subject.name, *cut, **sizes)


def _labels(subject: EvaluatedModel) -> range:
    return range(1, len(subject.structures) + 1)


def _area(labels: np.ndarray, step: tuple[float, float]) -> float:
    return float((labels > 0).sum() * step[0] * step[1])
