"""The steps of a plan: whether each is done already, and how it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from trustseg_training.calibration import CalibrationOptions, calibrate_run
from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.config.yaml_file import load
from trustseg_training.evaluation import TABLE, evaluate_models, read_fit
from trustseg_training.evaluation.evaluation import SUMMARY
from trustseg_training.evaluation.temperature_scaling import at_their_limits
from trustseg_training.export import export
from trustseg_training.training import LAST, fit
from trustseg_training.training.checkpoints import ending_of, with_absolute_paths
from TrustSegLib.errors import OptionError, OutputError

from .fitted_plan import TWIN, VDP
from .record import DETAILS, EVALUATION, Record, Request

#: The last epoch: the one that is best on clean images can be too early for learned variances.
CHECKPOINT = LAST

Tell = Callable[[float], None]
Say = Callable[[str], None]


def is_done(step: str, request: Request, record: Record) -> bool:
    """Whether a step of the plan needs nothing any more.

    Raises
    ------
    OptionError
        What it has written is damaged.
    """
    work = request.work
    if step in (TWIN, VDP):
        run = work / step
        return (run / LAST).is_file() and ending_of(FitConfiguration.load(run), run / LAST) is not None
    if step == "calibrate":
        return record.left_out is not None and read_fit(work / VDP, CHECKPOINT) is not None
    return step == "evaluate" and (work / EVALUATION / SUMMARY).is_file()


def train(name: str, request: Request, accelerator: str, tell: Tell, say: Say) -> None:
    """Train a network by its settings file, or go on with a training that was stopped.

    Raises
    ------
    OptionError
        The settings cannot be used, or the training has come to numbers that are none.
    TrustSegError
        Something else cannot be used.
    """
    run, settings = request.work / name, request.work / f"{name}.yaml"
    configuration, resume = load(settings), is_run(run)
    if resume:
        begun = FitConfiguration.load(run)
        if with_absolute_paths(configuration) != begun:
            say(f"note: {run} goes on with the settings that it began with; remove it to train by {settings}")
        configuration = begun
    try:
        fit(configuration, run, resume=resume, accelerator=accelerator, watcher=tell)
    except FloatingPointError as error:
        raise OptionError(
            f"{run}: {error}: lower learning_rate in {settings}, remove {run}, and repeat the command"
        ) from error


def calibrate(request: Request, record: Record, accelerator: str) -> Record:
    """Calibrate the variational network; the record says what could not be calibrated, and why."""
    options = CalibrationOptions(cases=record.cases, device=_device(accelerator), modality=record.modality)
    scales, fitted = calibrate_run(request.work / VDP, options, checkpoint=CHECKPOINT)
    limits = [
        f"{name} is at the end of its range: the network is hardly trained"
        for name in at_their_limits(scales.scales)
    ]
    record = replace(record, left_out=fitted.left_out, warnings=(*record.warnings, *limits))
    record.save(request.work)
    return record


def evaluate(request: Request, accelerator: str) -> None:
    """Evaluate the calibrated network on the validation patients."""
    folder = request.work / EVALUATION
    _remove(folder / TABLE)  # all that an evaluation leaves that was stopped
    data = Path(FitConfiguration.load(request.work / VDP).data)
    evaluate_models([request.work / VDP], data, "val", folder, _device(accelerator), CHECKPOINT)


def write_bundle(request: Request) -> None:
    """Export the bundle, named and described as far as anybody has said."""
    export(request.work / VDP, request.output, request.work / DETAILS, CHECKPOINT)


def _device(accelerator: str) -> str:
    return "cuda" if accelerator == "gpu" else "cpu"


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be removed ({error.strerror}); remove it yourself") from error
