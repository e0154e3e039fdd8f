"""A whole calibration: scales, error curve, intervals, case quality and input reference, in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from trustseg_training.config import FitConfiguration
from trustseg_training.evaluation import EvaluatedModel, calibrate, load_evaluated_model
from trustseg_training.evaluation.scale_fitting import Calibration
from trustseg_training.evaluation.scale_images import SCALE_CONDITIONS
from trustseg_training.training import BEST
from TrustSegLib.errors import OptionError

from .cases import DEFAULT, conditions_of
from .figures import curve_cases
from .fitting import Fitted, fit_all, weights_of
from .input_reference import with_input
from .record import write_into_run
from .region_review import curves_of_others, region_figures, review_clean_images
from .results import collect_results


@dataclass(frozen=True)
class CalibrationOptions:
    """How a model is calibrated.

    Attributes
    ----------
    conditions : tuple of str
        Corruptions beside the clean images.
    unseen : tuple of str
        More corruptions, for figures only: no fit sees them.
    scale_conditions : tuple of str
        Corruptions beside the clean images, for a run's temperature, variance scale and class bias.
    cases : int or None
        At most so many validation images.
    jobs : int
        Processes.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    modality : str or None
        DICOM's; that of the model by default.
    """

    conditions: tuple[str, ...] = DEFAULT
    unseen: tuple[str, ...] = ()
    scale_conditions: tuple[str, ...] = SCALE_CONDITIONS
    cases: int | None = None
    jobs: int = 1
    device: str = "auto"
    modality: str | None = None


def fit_to_model(evaluated: EvaluatedModel, data: Path, options: CalibrationOptions) -> Fitted:
    """Fit every part of a calibration for which there are enough patients.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Run or bundle.
    data : Path
        Data set.
    options : CalibrationOptions
        How.

    Raises
    ------
    TrustSegError
        The model, a condition or the data cannot be used.
    """
    corruptions = conditions_of((*options.conditions, *options.unseen))
    unseen = {corruption.key for corruption in conditions_of(options.unseen)}
    if both := unseen & {corruption.key for corruption in conditions_of(options.conditions)}:
        raise OptionError(f"--unseen-conditions {min(both)}: among --conditions too; choose one of them")
    results = collect_results(evaluated, data, corruptions, options.cases, options.jobs, options.device)
    structures = dict(enumerate(evaluated.structures, start=1))
    fitted = fit_all(results, data.resolve().name, structures, unseen)
    curves = curves_of_others(curve_cases(results, weights_of(results, unseen)), fitted.content)
    reviews = review_clean_images(evaluated, data, curves, options.jobs, options.device)
    fitted = replace(fitted, figures={**fitted.figures, "regions": region_figures(reviews)})
    return with_input(fitted, evaluated, data, options.modality)


def calibrate_run(
    run: Path, options: CalibrationOptions, data: Path | None = None, checkpoint: str = BEST
) -> tuple[Calibration, Fitted]:
    """Fit the scales of a run's checkpoint, then all else, and write both into the run.

    Parameters
    ----------
    run : Path
        Folder that `fit` wrote.
    options : CalibrationOptions
        How.
    data : Path, optional
        Data set, if it has moved since the training.
    checkpoint : str
        `training.BEST` or `training.LAST`.

    Returns
    -------
    tuple of Calibration and Fitted
        The scales, and the rest.

    Raises
    ------
    TrustSegError
        The run or the data cannot be used, or the run folder cannot be written.
    """
    corruptions = conditions_of(options.scale_conditions)
    scales = calibrate(run, data, options.device, checkpoint, corruptions)
    place = data or Path(FitConfiguration.load(run).data)
    fitted = fit_to_model(load_evaluated_model(run, checkpoint), place, options)
    write_into_run(run, checkpoint, fitted)
    return scales, fitted
