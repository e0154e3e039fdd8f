"""How a budget of time is shared out: epochs of both trainings, images of the calibration.

Of the time that checks, calibration, evaluation and export leave, the deterministic twin has 60 %: where a
step of the variational network costs 2.6 times one of the twin, that makes four steps of the twin to one of
its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trustseg_training.evaluation.scale_images import SCALE_CONDITIONS
from trustseg_training.training import Times

#: Steps in their order, with the words for them.
STEPS = {
    "plan": "checking the data and planning",
    "twin": "training the deterministic twin",
    "vdp": "training the variational network",
    "calibrate": "calibrating",
    "evaluate": "evaluating",
    "export": "exporting",
}

_TWIN_SHARE = 0.6

#: Of the budget, for the calibration; but ten patients are needed, however long they take.
_CALIBRATION_SHARE = 0.2

#: Of a training's time, for its validations, and how many are enough.
_VALIDATION_SHARE, _MOST_VALIDATIONS = 0.1, 20

#: Of the budget, for the trainings, however long everything else takes.
_LEAST_TRAINING = 0.3

#: More steps are not worth a night.
_MOST_STEPS = 40_000

#: Seconds of an image beside the network's: reading, maps, regions, scores; and per million voxels.
_IMAGE_SECONDS, _MEGAVOXEL_SECONDS = 0.1, 2.0


@dataclass(frozen=True)
class Sizes:
    """What there is to do.

    Attributes
    ----------
    images, validation : int
        Images to read, and those of them that validate.
    least : int
        Validation images that the first ten validation patients have.
    conditions : int
        Of the calibration, clean among them.
    steps : int
        Of an epoch.
    megavoxels : float
        Of the mean image.
    """

    images: int
    validation: int
    least: int
    conditions: int
    steps: int
    megavoxels: float


@dataclass(frozen=True)
class Costs:
    """Seconds on this computer: reading all images once, and the steps of both networks."""

    reading: float
    twin: Times
    vdp: Times


@dataclass(frozen=True)
class Epochs:
    """Of a training, and from one validation to the next."""

    count: int
    every: int


@dataclass(frozen=True)
class Schedule:
    """What the time is used for.

    Attributes
    ----------
    twin, vdp : Epochs
        Of the trainings.
    cases : int
        Validation images of the calibration.
    seconds : dict of str to float
        Expected, for each of `STEPS` but the plan, which is over.
    """

    twin: Epochs
    vdp: Epochs
    cases: int
    seconds: dict[str, float]


def schedule(seconds: float, costs: Costs, sizes: Sizes) -> Schedule:
    """Share out the time that is left.

    Parameters
    ----------
    seconds : float
        Left of the budget. Where it is too short for all, the trainings have `_LEAST_TRAINING` of it and the
        whole takes longer.
    costs : Costs
        Measured.
    sizes : Sizes
        Of the data.
    """
    image = costs.vdp.image + _IMAGE_SECONDS + _MEGAVOXEL_SECONDS * sizes.megavoxels
    cases = _cases(seconds, image, sizes)
    reading = costs.reading * sizes.validation / max(sizes.images, 1)
    expected = {
        # The scales' passes (two an image), those of every condition, and the facts of all images.
        "calibrate": 2 * costs.reading
        + 2 * (1 + len(SCALE_CONDITIONS)) * sizes.validation * costs.vdp.image
        + cases * sizes.conditions * image,
        "evaluate": reading + sizes.validation * image,
        "export": reading + sizes.validation * costs.vdp.image,
    }
    training = max(seconds - sum(expected.values()), _LEAST_TRAINING * seconds)
    times = {"twin": (costs.twin, _TWIN_SHARE), "vdp": (costs.vdp, 1 - _TWIN_SHARE)}
    epochs = {
        name: _epochs(share * training - costs.reading, each, sizes) for name, (each, share) in times.items()
    }
    trainings = {
        name: costs.reading + _seconds(epochs[name], each, sizes) for name, (each, _) in times.items()
    }
    return Schedule(epochs["twin"], epochs["vdp"], cases, {**trainings, **expected})


def _cases(seconds: float, image: float, sizes: Sizes) -> int:
    affordable = int(_CALIBRATION_SHARE * seconds / (sizes.conditions * image))
    return min(max(affordable, sizes.least), sizes.validation)


def _epochs(seconds: float, times: Times, sizes: Sizes) -> Epochs:
    """As many epochs as fit, a multiple of those between two validations."""
    validation = sizes.validation * times.image
    validations = min(max(int(_VALIDATION_SHARE * seconds / validation), 1), _MOST_VALIDATIONS)
    epochs = int((seconds - validations * validation) / (sizes.steps * times.step))
    epochs = min(max(epochs, 1), max(_MOST_STEPS // sizes.steps, 1))
    every = math.ceil(epochs / validations)
    return Epochs(epochs // every * every, every)


def _seconds(epochs: Epochs, times: Times, sizes: Sizes) -> float:
    validation = sizes.validation * times.image
    return epochs.count * sizes.steps * times.step + epochs.count // epochs.every * validation
