"""The fit of all scales of a model: class bias, temperature and variance scale.

One way for every model: `trustseg-train calibrate` fits those of a run on its validation patients and writes
them into it; `trustseg-train verify --temperature` fits those of a run or ensemble on half of the patients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from trustseg_training.corruptions import CLEAN, Corruption
from trustseg_training.dataset import Case
from trustseg_training.metrics.calibration_error import BINS
from trustseg_training.metrics.neighborhood import MARGIN
from trustseg_training.training import BEST
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OptionError, output_error
from TrustSegLib.inference.device import choose_device

from .cases import choose_cases
from .class_bias import BiasFigures, cross_validated, fit_class_bias
from .evaluated_model import EvaluatedModel, load_plain_run
from .near_voxels import NearVoxels, collect
from .scale_images import CORRUPTIONS, scale_images
from .temperature_scaling import FILES, Scales, Scores, fit_scales, scores


@dataclass(frozen=True)
class Calibration:
    """Fitted scales, and what they do.

    Attributes
    ----------
    scales : Scales
        All of them.
    before, after : Scores
        On the voxels of the fit, weighted as there.
    by_condition : mapping of str to (Scores, Scores)
        The same under each condition.
    masks : BiasFigures or None
        On patients left out; None with fewer than two.
    """

    scales: Scales
    before: Scores
    after: Scores
    by_condition: dict[str, tuple[Scores, Scores]]
    masks: BiasFigures | None


def calibrate(
    run: Path,
    data: Path | None = None,
    device: str = "auto",
    checkpoint: str = BEST,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
) -> Calibration:
    """Fit on the validation patients of a run and write one of `temperature_scaling.FILES` into it.

    Parameters
    ----------
    run : Path
        Folder that `fit` wrote.
    data : Path, optional
        Data set, if it has moved since the training.
    device : str
        Where the network runs.
    checkpoint : str
        `BEST` or `LAST`.
    corruptions : sequence of Corruption
        That the images are put under, in addition to the clean ones; may be empty.

    Raises
    ------
    OptionError
        The folder is no run, or no validation patient has a structure.
    ImageError
        The data cannot be used.
    OutputError
        The run folder cannot be written.
    """
    evaluated = load_plain_run(run, checkpoint, data)
    cases = choose_cases(evaluated, Path(evaluated.run.configuration.data), "val")
    network, voxels = near_voxels_of(evaluated, cases, corruptions, device)
    if voxels is None:
        place = evaluated.run.configuration.data
        raise OptionError(f"{place}: no validation patient has a structure; calibrate on others")
    calibration = measured(network, voxels, fit_all_scales(network, voxels))
    _write(evaluated, cases, corruptions, calibration, voxels)
    return calibration


def near_voxels_of(
    evaluated: EvaluatedModel, cases: Sequence[Case], corruptions: Sequence[Corruption], device: str
) -> tuple[nn.Module, NearVoxels | None]:
    """The network of a model without scales, and its logits under all conditions."""
    place = choose_device(device)
    network = evaluated.model.network().to(place)
    images = scale_images(evaluated, cases, corruptions)
    return network, collect(network, images, evaluated.model.description.patch_shape, place)


def fit_all_scales(network: nn.Module, voxels: NearVoxels) -> Scales:
    """Class bias, temperature and variance scale; then the bias again, as these change masks a little."""
    bias = fit_class_bias(network, voxels, Scales(1.0))
    found = fit_scales(network, voxels, bias)
    return replace(found, class_bias=fit_class_bias(network, voxels, found, bias) if bias else ())


def measured(network: nn.Module, voxels: NearVoxels, scales: Scales) -> Calibration:
    """What the scales do on the voxels that they were fitted on, and the bias on patients left out."""
    weight, image = voxels.importance, voxels.image.numpy()
    both = [each.probabilities(network, voxels) for each in (Scales(1.0), scales)]
    by_condition = {}
    for condition in dict.fromkeys(voxels.conditions.tolist()):
        own = (voxels.conditions == condition)[image]
        by_condition[condition] = tuple(scores(p[own], voxels.target[own], weight[own]) for p in both)
    before, after = (scores(p, voxels.target, weight) for p in both)
    return Calibration(scales, before, after, by_condition, cross_validated(network, voxels, scales))


def _write(
    evaluated: EvaluatedModel,
    cases: Sequence[Case],
    corruptions: Sequence[Corruption],
    calibration: Calibration,
    voxels: NearVoxels,
) -> None:
    run, checkpoint = evaluated.run.run, evaluated.run.checkpoint
    masks = calibration.masks
    content = {
        **asdict(calibration.scales),
        "class_bias": list(calibration.scales.class_bias),
        "before": asdict(calibration.before),
        "after": asdict(calibration.after),
        "conditions": [CLEAN, *(corruption.key for corruption in corruptions)],
        "by_condition": {
            name: {"before": asdict(before), "after": asdict(after)}
            for name, (before, after) in calibration.by_condition.items()
        },
        "masks": None if masks is None else _figures(masks, evaluated.structures),
        "bins": BINS,
        "margin_voxels": MARGIN,
        "data": Path(evaluated.run.configuration.data).name,
        "patients": len({case.patient for case in cases}),
        "images": int(np.sum(voxels.conditions == CLEAN)),
        "voxels": len(voxels.target),
        "checkpoint": checkpoint,
        "checkpoint_sha256": sha256_of(run / checkpoint),
    }
    path = run / FILES[checkpoint]
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error, "check the folder") from error


def _figures(masks: BiasFigures, structures: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """By structure: volume bias and DSC of patients left out, before and after."""
    heads = ("volume_bias_before", "volume_bias_after", "dice_before", "dice_after")
    columns = zip(*masks.volume_bias, *masks.dice, strict=True)
    return {name: dict(zip(heads, row, strict=True)) for name, row in zip(structures, columns, strict=True)}
