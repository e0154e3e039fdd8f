"""`trustseg-train calibrate`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from TrustSegLib.errors import OptionError

from .options import add_checkpoint, add_device

SUMMARY = "calibrate a model's uncertainty on its validation patients"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "model",
        type=Path,
        metavar="RUN|BUNDLE",
        help="run folder of fit, into which calibration.json (of the last checkpoint: calibration-last.json) "
        "goes for export; or a bundle, of which a calibrated copy is made",
    )
    add("--data", type=Path, help="data set, if not where it was when the run began; a bundle needs it")
    add("-o", "--output", type=Path, metavar="NEW_BUNDLE", help="folder of a bundle's calibrated copy")
    add(
        "--modality",
        type=str.upper,
        metavar="DICOM",
        help="of a run's images, such as MR; default: CT if a window normalizes them. A bundle has its own",
    )
    add_device(parser)
    add_checkpoint(parser, of="the run")
    add(
        "--conditions", nargs="+", metavar="CORRUPTION", help="beside clean, such as gaussian-2dB or motion-5"
    )
    add("--cases", type=int, metavar="N", help="at most so many validation images; default: all")
    add("--jobs", type=int, default=1, metavar="N", help="processes; default: 1")


def run(options: argparse.Namespace) -> None:
    """Fit, write, and print the figures on patients that were left out."""
    from TrustSegLib.contract import MODEL_FILE

    if min(options.jobs, 1 if options.cases is None else options.cases) < 1:
        raise OptionError("--jobs and --cases: give 1 or more")
    if options.modality is not None and not re.fullmatch("[A-Z]{2,16}", options.modality):
        raise OptionError(f"--modality {options.modality}: give DICOM's letters, such as MR or CT")
    is_bundle = (options.model / MODEL_FILE).is_file() or not options.model.is_dir()
    (_calibrate_bundle if is_bundle else _calibrate_run)(options)


def _calibrate_run(options: argparse.Namespace) -> None:
    from trustseg_training.calibration import calibrate_run
    from trustseg_training.training import CHECKPOINTS

    if options.output is not None:
        raise OptionError(f"{options.model}: the calibration of a run goes into it; leave out --output")
    checkpoint = CHECKPOINTS[options.checkpoint]
    scales, fitted = calibrate_run(options.model, _how(options), options.data, checkpoint)
    _print_scales(scales)
    _print(fitted)


def _calibrate_bundle(options: argparse.Namespace) -> None:
    from trustseg_training.calibration import fit_to_model
    from trustseg_training.evaluation import load_evaluated_model
    from trustseg_training.export import check_new, recalibrated
    from trustseg_training.training import CHECKPOINTS

    if options.modality is not None:
        raise OptionError(f"{options.model}: a bundle says its modality itself; leave out --modality")
    if options.output is None or options.data is None:
        raise OptionError(f"{options.model}: a bundle needs --data, and --output for its calibrated copy")
    check_new(options.output)
    model = load_evaluated_model(options.model, CHECKPOINTS[options.checkpoint])
    fitted = fit_to_model(model, options.data, _how(options))
    _print(fitted)
    if fitted.content is None:
        raise OptionError(f"{options.data}: too few patients to calibrate on; {'; '.join(fitted.left_out)}")
    recalibrated(options.model, fitted.content, fitted.figures, options.output)
    print(f"{options.output}: the same weights, temperature and variance scale, with this calibration")


def _how(options: argparse.Namespace):
    from trustseg_training.calibration import DEFAULT, CalibrationOptions

    conditions = DEFAULT if options.conditions is None else tuple(options.conditions)
    return CalibrationOptions(conditions, options.cases, options.jobs, options.device, options.modality)


def _print(fitted) -> None:
    from trustseg_training.calibration import lines

    for line in lines(fitted):
        print(line)
    for reason in fitted.left_out:
        print(f"warning: {reason}")


def _print_scales(found) -> None:
    from trustseg_training.evaluation.temperature_scaling import at_their_limits

    scale = "" if found.variance_scale is None else f", variance scale {found.variance_scale:.3g}"
    print(f"temperature {found.temperature:.3g}{scale}")
    for name in at_their_limits(found):
        print(
            f"warning: {name} is at the end of its range: too few patients, or a network that is not trained"
        )
    for name in ("nll", "ece"):
        print(f"{name.upper()} {getattr(found.before, name):.4f} -> {getattr(found.after, name):.4f}")
