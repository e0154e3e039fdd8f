"""From an image and a model to the mask, the model's uncertainty and the warnings of the case."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import torch

from TrustSegLib.contract import DEFAULT_MAP
from TrustSegLib.imaging import Volume
from TrustSegLib.inference.choice import Choice
from TrustSegLib.inference.device import choose_device, device_title
from TrustSegLib.inference.located import centered, cut_fields, is_larger, joined, locate_anatomy
from TrustSegLib.inference.mask_and_maps import Area, calibrate_map, mask_and_maps
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.plan import Plan
from TrustSegLib.inference.prediction import LoadedModel, Model, predict
from TrustSegLib.inference.result import Case, SegmentationResult
from TrustSegLib.inference.stages import (
    CancelledCallback,
    PlanCallback,
    Progress,
    ProgressCallback,
    Stages,
)
from TrustSegLib.inference.training_comparison import compared_with_training, facts_of
from TrustSegLib.uncertainty import Calibration, calibrated_rows, case_quality, structure_rows
from TrustSegLib.uncertainty.image_features import not_hounsfield
from TrustSegLib.uncertainty.regions import find_regions
from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib.bundle import ModelDescription

OF_VARIANCE = ("predictive_variance", "epistemic")
"""Maps that are 0 for a network without a variance."""
# Warnings of a case of which a part was segmented.
PART_ONLY = (
    "only the region of interest was segmented: volumes hold for what lies in it, and the 0 of mask and maps "
    "outside of it does not mean that the model is sure"
)
NOT_FOR_A_PART = (
    "no volume interval and no expected DSC: they were calibrated on whole images, not on a part of them"
)


def segment(
    volume: Volume,
    bundle: Model,
    options: SegmentOptions | None = None,
    progress: ProgressCallback | None = None,
    cancelled: CancelledCallback | None = None,
    planned: PlanCallback | None = None,
    choice: Choice | None = None,
) -> SegmentationResult:
    """Segment one image with one model.

    The image is oriented, resampled and normalized as the model was trained, passed through the network in
    overlapping patches, and the class moments are resampled to the image's own grid, where mask and maps are
    made. Where the two grids differ by flips and transposes only, nothing is interpolated. Intensities
    are normalized by the statistics of the whole image even when only a region of interest is segmented, so
    that the region's choice does not change what the network sees.

    A scan that is much larger than the field of view of a model with a locator is searched for it (see
    `imaging.location`): each field is cut out and segmented as an image of its own, so that intensities are
    normalized as in training, and the results are put together on the scan's grid, with a row for each
    structure and side.

    A model's calibration is applied, as far as it held on patients left out: the map `error_probability` is
    the calibrated one. The rows have intervals and expected Dice coefficients if the whole image was
    segmented, for which they were calibrated. The map of a model without a calibration (see `Uncalibrated`),
    or whose calibration failed, is raw, and the scores are raw with any model. The warnings of the case begin
    with a CT that cannot be in HU. Where the calibration describes the training images, they go on with how
    the image differs from these, the largest difference first, and structures that the image cuts off are
    flagged; shapes are compared for whole images only.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)` with the channels that the model names.
    bundle : Model
        A bundle, or any object with `description`, `sha256`, `network()` and `calibration()`.
    options : SegmentOptions, optional
        The defaults if None.
    progress : callable, optional
        Called with `Progress(stage, done, total)`; the stages are `prepare`, `predict`, `restore`, `measure`,
        and before them `locate` for a scan that is searched.
    cancelled : callable, optional
        Asked before every stage and batch, and all through the search; True stops the work.
    planned : callable, optional
        Called with the `Plan` of an image, or of each field of view, before the network runs.
    choice : Choice, optional
        Why this model was chosen, for the provenance; what it has located is not searched again.

    Returns
    -------
    SegmentationResult
        On the image's own grid. Outside the ROI it is background with uncertainty 0, which a warning of the
        case explains; outside the resampled image it is background with probability 1.

    Raises
    ------
    Cancelled
        When the user has stopped the work.
    ImageError
        When the image's channels are not the model's, it holds NaN or infinite values, or the model's locator
        does not find its anatomy in it.
    OptionError
        When the device is not there, or the ROI holds no voxel.
    OutputError
        When the disk has no room for temporary files.
    TrustSegError
        When the network's output is not finite.
    """
    options = options or SegmentOptions()
    if options.roi is not None or not is_larger(volume, bundle.description):
        result = _segment_image(volume, bundle, options, Stages(progress, cancelled, planned))
    else:
        result = _segment_fields(volume, bundle, options, progress, cancelled, planned, choice)
    if choice is not None:
        result.provenance["choice"] = choice.to_dict()
    return result


def _segment_fields(
    volume: Volume,
    bundle: Model,
    options: SegmentOptions,
    progress: ProgressCallback | None,
    cancelled: CancelledCallback | None,
    planned: PlanCallback | None,
    choice: Choice | None,
) -> SegmentationResult:
    """Segment the fields of view of a larger scan, and put the results together."""
    model = LoadedModel(bundle)
    if choice is None or choice.location is None:
        locating = Stages(progress, cancelled)
        location, times = locate_anatomy(volume, model, locating), locating.times
    else:
        location, times = choice.location, choice.times
    found = cut_fields(volume, model, location)
    crops, results = [], []
    for number, crop in enumerate(found.crops):
        stages = Stages(_part_of(progress, number, len(found.crops)), cancelled, planned)
        result = _segment_image(crop.seen, model, options, stages)
        better = centered(volume, crop, result, found.location, bundle.description)
        if better is not None:
            # Without progress, which has been told of this field.
            again = Stages(None, cancelled, times=stages.times)
            crop, result = better, _segment_image(better.seen, model, options, again)
        crops.append(crop)
        results.append(result)
    result = joined(volume, replace(found, crops=tuple(crops)), results, bundle.description)
    result.provenance["times"] = {**times, **result.provenance["times"]}
    return result


def _part_of(progress: ProgressCallback | None, number: int, count: int) -> ProgressCallback | None:
    """Progress of one of several images as that of all of them: the first prepares, the last one measures."""
    if progress is None:
        return None

    def report(one: Progress) -> None:
        if one.stage == "predict":
            progress(Progress(one.stage, number * one.total + one.done, count * one.total))
        elif number == (0 if one.stage == "prepare" else count - 1):
            progress(one)

    return report


def _segment_image(
    volume: Volume, bundle: Model, options: SegmentOptions, stages: Stages
) -> SegmentationResult:
    """Segment an image, or its part in a ROI, as `segment` describes it."""
    description, content = bundle.description, bundle.calibration()
    calibration = None if content is None else Calibration.parse(content)
    device = choose_device(options.device)
    area = Area.of(volume, options.roi)
    restorer, plan = predict(volume, bundle, area.box, options, device, stages)
    with stages.stage("restore"):
        mask, maps, scores = mask_and_maps(restorer, volume, area, options, stages, description.classes)
    with stages.stage("measure"):
        if calibration is not None and calibration.curve is not None:
            calibrate_map(maps[DEFAULT_MAP], area, calibration)
        rows = structure_rows(mask, maps[DEFAULT_MAP], description.structures)
        if calibration is not None and area.is_whole:
            rows = calibrated_rows(rows, scores, calibration)
        stages.check()
        regions = find_regions(maps[DEFAULT_MAP], mask, description.structures)
        stages.check()
        facts = facts_of(volume, mask if area.is_whole else None, description, calibration)
        not_in_hu = filter(None, [not_hounsfield(volume, description.modality)])
        rows, unlike = compared_with_training(rows, facts, calibration)
        stages.report("measure", 1, 1)
    maps = {name: maps[name] for name in options.maps}
    return SegmentationResult(
        labels=mask,
        maps=maps,
        structures=rows,
        model={"name": description.name, "version": description.version, "sha256": bundle.sha256},
        scores=scores,
        regions=regions,
        case=Case(
            case_quality(rows),
            (*not_in_hu, *unlike, *volume.notes, *case_warnings(maps, area.is_whole, calibration)),
        ),
        calibration=None if calibration is None else calibration.summary(description.structures),
        provenance=_provenance(description, options, device, stages, plan),
        anatomy=description.structures,
    )


def _provenance(
    description: ModelDescription,
    options: SegmentOptions,
    device: torch.device,
    stages: Stages,
    plan: Plan,
) -> dict[str, Any]:
    return {
        "versions": {
            "trustseg": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "SimpleITK": sitk.__version__,
        },
        "device": device_title(device),
        "precision": options.precision,
        "engine": "pytorch",
        "times": dict(stages.times),
        "patch": list(description.input.patch_size),
        "overlap": options.overlap,
        "batch_size": options.batch_size,
        "patches": plan.patches,
        "patches_computed": plan.computed,
        "roi": None if options.roi is None else str(options.roi),
    }


def case_warnings(
    maps: Mapping[str, Volume], is_whole: bool, calibration: Calibration | None
) -> tuple[str, ...]:
    """Return the warnings of a case.

    Parameters
    ----------
    maps : Mapping of str to Volume
        Those asked for.
    is_whole : bool
        Whether the whole image was segmented.
    calibration : Calibration or None
        Of the model.
    """
    found = []
    if not is_whole:
        found.append(PART_ONLY)
        if calibration is not None and (calibration.volumes or calibration.qualities):
            found.append(NOT_FOR_A_PART)
    return (*found, *_without_variance(maps))


def _without_variance(maps: Mapping[str, Volume]) -> Iterator[str]:
    """Warn of maps that are 0 everywhere. Not an error: mask and other maps are valid, and a batch goes on.

    The map is tested, not the name of the family: a network of any family may have no variance.
    """
    for name in OF_VARIANCE:
        if name in maps and not maps[name].array.any():
            yield (
                f"map {name}: 0 everywhere, since this model gives no variance of its probabilities; it does "
                "not mean that the model is sure"
            )
