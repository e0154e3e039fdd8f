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
    add("--conditions", nargs="+", metavar="CORRUPTION", help="beside clean, such as gaussian-2dB or blur-5")
    add(
        "--unseen-conditions",
        nargs="+",
        metavar="CORRUPTION",
        help="more, for the figures only: no fit sees them",
    )
    add(
        "--scale-conditions",
        nargs="+",
        metavar="CORRUPTION",
        help="beside clean, of the images that a run's temperature, variance scale and class bias are fitted "
        "on; clean: no other; default: those of verify --temperature",
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
    from trustseg_training.config import FitConfiguration
    from trustseg_training.training import CHECKPOINTS

    if options.output is not None:
        raise OptionError(f"{options.model}: the calibration of a run goes into it; leave out --output")
    checkpoint = CHECKPOINTS[options.checkpoint]
    scales, fitted = calibrate_run(options.model, _how(options), options.data, checkpoint)
    _print_scales(scales, FitConfiguration.load(options.model).structures)
    _print(fitted)


def _calibrate_bundle(options: argparse.Namespace) -> None:
    from trustseg_training.calibration import fit_to_model
    from trustseg_training.evaluation import load_evaluated_model
    from trustseg_training.export import check_new, recalibrated
    from trustseg_training.training import CHECKPOINTS

    if options.modality is not None:
        raise OptionError(f"{options.model}: a bundle says its modality itself; leave out --modality")
    if options.scale_conditions is not None:
        raise OptionError(f"{options.model}: a bundle keeps its scales; leave out --scale-conditions")
    if options.output is None or options.data is None:
        raise OptionError(f"{options.model}: a bundle needs --data, and --output for its calibrated copy")
    check_new(options.output)
    model = load_evaluated_model(options.model, CHECKPOINTS[options.checkpoint])
    fitted = fit_to_model(model, options.data, _how(options))
    _print(fitted)
    if fitted.content is None:
        raise OptionError(f"{options.data}: too few patients to calibrate on; {'; '.join(fitted.left_out)}")
    recalibrated(options.model, fitted.content, fitted.figures, options.output)
    print(f"{options.output}: the same weights and scales, with this calibration")


def _how(options: argparse.Namespace):
    from trustseg_training.calibration import CalibrationOptions

    given = {
        "conditions": options.conditions,
        "unseen": options.unseen_conditions,
        "scale_conditions": options.scale_conditions,
    }
    return CalibrationOptions(
        cases=options.cases,
        jobs=options.jobs,
        device=options.device,
        modality=options.modality,
        **{name: tuple(corruptions) for name, corruptions in given.items() if corruptions is not None},
    )


def _print(fitted) -> None:
    from trustseg_training.calibration import lines

    for line in lines(fitted):
        print(line)
    for reason in fitted.left_out:
        print(f"warning: {reason}")


def _print_scales(found, structures) -> None:
    from trustseg_training.evaluation.temperature_scaling import at_their_limits

    scales = found.scales
    scale = "" if scales.variance_scale is None else f", variance scale {scales.variance_scale:.3g}"
    print(f"temperature {scales.temperature:.3g}{scale}, fitted on {', '.join(found.by_condition)}")
    for name in at_their_limits(scales):
        print(
            f"warning: {name} is at the end of its range: too few patients, or a network that is not trained"
        )
    for name in ("nll", "ece"):
        print(f"{name.upper()} {getattr(found.before, name):.4f} -> {getattr(found.after, name):.4f}")
    for condition, (before, after) in found.by_condition.items():
        print(f"  ECE {condition:<16} {before.ece:.4f} -> {after.ece:.4f}")
    if found.masks is not None:
        _print_masks(found.masks, scales.class_bias, structures)


def _print_masks(masks, bias, structures) -> None:
    """What the class bias does to masks of clean images."""
    from trustseg_training.formatting import change

    if bias:
        print(f"class bias, and the masks of clean images of {masks.patients} patients, each left out once:")
    else:
        print("no class bias: it would cost Dice")
    volumes, dice = zip(*masks.volume_bias, strict=True), zip(*masks.dice, strict=True)
    for number, (name, volume, agreement) in enumerate(zip(structures, volumes, dice, strict=True)):
        own = f"{bias[number]:+.3f}, " if bias else ""
        print(
            f"  {name}: {own}volume bias {change(volume[0])} -> {change(volume[1])}, "
            f"DSC {agreement[0]:.4f} -> {agreement[1]:.4f}"
        )
