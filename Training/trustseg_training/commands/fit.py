"""`trustseg-train fit`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TrustSegLib.networks import ARCHITECTURES, PROPAGATIONS, TRAINED_FAMILIES

if TYPE_CHECKING:
    from trustseg_training.config import FitConfiguration

SUMMARY = "train a network on a folder of labelled images"

#: Settings that are no plain numbers, words or lists of them; see `--set`.
STRUCTURED = ("family_options", "label_map", "regions", "normalization")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; an option left out keeps the default of `FitConfiguration`."""
    parser.argument_default = argparse.SUPPRESS  # what is not given is not there: none is a value
    add = parser.add_argument
    add("data", nargs="?", help="folder with imagesTr and labelsTr, or a CSV file; see `init --help`")
    add(
        "--config", type=Path, metavar="FILE.yaml", help="settings, as `init` writes them; other options hold"
    )
    add("-o", "--output", type=Path, required=True, help="run folder")
    add("--structures", nargs="+", metavar="NAME", help="names of labels 1, 2, ...")
    add("--resume", action="store_true", default=False, help="continue the run in the output folder")
    add(
        "--set",
        action="append",
        type=structured,
        default=[],
        metavar="NAME=JSON",
        help=f"settings with parts: {', '.join(STRUCTURED)}; such as 'label_map={{\"2\": 1}}'",
    )
    _add_data(parser.add_argument_group("data"))
    _add_network(parser.add_argument_group("network"))
    _add_objective(parser.add_argument_group("objective"))
    _add_optimization(parser.add_argument_group("optimization"))
    _add_computer(parser.add_argument_group("computer"))


def run(options: argparse.Namespace) -> None:
    """Train, or continue a run."""
    from trustseg_training.training import fit

    configuration = configured(options)
    score = fit(configuration, options.output, resume=options.resume, accelerator=options.accelerator)
    of_regions = " of the regions" if configuration.regions else ""
    print(f"best epoch: mean Dice {score:.3f}{of_regions} on the validation patients; judge it with")
    print(f"  trustseg-train evaluate {options.output} --data {configuration.data} -o DIR")


def configured(options: argparse.Namespace) -> FitConfiguration:
    """The configuration of a file, changed by the other options; or of the options alone.

    Raises
    ------
    OptionError
        A value is not valid, or data or structures are named nowhere.
    """
    from trustseg_training.config import FitConfiguration
    from trustseg_training.config.yaml_file import load
    from TrustSegLib.errors import OptionError

    given = settings(options)
    if "config" in options:
        return load(options.config, given)
    for name in ("data", "structures"):
        if name not in given:
            raise OptionError(f"{name}: missing; give it, or a file with --config")
    return FitConfiguration(**given)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of `FitConfiguration` that the command line gives."""
    from trustseg_training.config import FitConfiguration

    names = FitConfiguration.__dataclass_fields__
    given = {name: value for name, value in vars(options).items() if name in names}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return {**given, **dict(options.set)}


def structured(text: str) -> tuple[str, Any]:
    """Read NAME=JSON of `--set`."""
    name, _, value = text.partition("=")
    if name not in STRUCTURED:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(STRUCTURED)}")
    try:
        content = json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: {value!r} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError(f"{name}: give a JSON object, such as {{}}")
    return name, content


def number_or_none(text: str) -> float | None:
    """A number, or the word none."""
    return None if text == "none" else float(text)


def _add_data(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--spacing", type=float, nargs=3, metavar="MM", help="x y z; default: 1 1 1")
    add("--patch", type=int, nargs=3, metavar="VOXELS", help="x y z; default: 40 56 40")
    add("--orientation", metavar="LETTERS", help="where x, y and z point; default: RAS")
    add("--channels", nargs="+", metavar="NAME", help="names of the image's channels; default: image")
    add("--fold", type=int, metavar="N", help="validate on this one of the folds, from 0")
    add("--folds", type=int, metavar="N", help="default: 5")
    add("--train-patients", type=int, metavar="N", help="train with the first so many of a seeded shuffle")
    add("--validation-fraction", type=float, help="where the data name no split; default: 0.2")
    add("--split-seed", type=int, help="of split, folds and shuffle; default: 0")
    add("--cache", metavar="FOLDER", help="keep prepared images there, not all in memory")
    add("--augmentation", choices=["default", "strong", "noise", "none"], help="default: default")
    add("--patches-per-patient", type=int, metavar="N", help="per epoch; default: 1")
    add("--foreground-share", type=float, help="of the patches, drawn around a structure; default: 0")


def _add_network(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    default, *others, last = TRAINED_FAMILIES
    add("--family", metavar="NAME", help=f"{default} (default), {', '.join(others)} or {last}")
    add("--propagation", choices=PROPAGATIONS, help="default: exact")
    add("--architecture", choices=list(ARCHITECTURES), help="default: unet")
    add("--dimensions", type=int, choices=[2, 3], help="default: 3")
    add("--filters", type=int, nargs="+", help="kernels per level; default: 12 24 48")
    add("--normalization-layers", metavar="NAME", help="of the network; default: instance")
    add("--upsampling", metavar="NAME", help="default: transposed")
    add("--activation", metavar="NAME", help="default: leaky_relu")
    add("--dropout", type=float, help="at the bottleneck; default: 0")
    add("--relative-variance", type=float, help="kernel variance at the start; default: 0.01")
    start = (
        "run, bundle or model's name to start from: a deterministic twin, or a model to be tuned on new data"
    )
    add("--initialize-from", metavar="MODEL", help=start)


def _add_objective(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    names = ["auto", "cross_entropy_dice", "expected", "gaussian_nll"]
    add("--objective", choices=names, help="default: auto, what fits the family")
    add("--class-weights", type=float, nargs="+", metavar="W", help="the background first; default: all 1")
    add("--kl-weight", type=float, help="tempering of the divergence; default: 1")
    add("--kl-schedule", choices=["constant", "linear"], help="default: constant")
    add("--logit-samples", type=int, metavar="N", help="even; default: 8")


def _add_optimization(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--epochs", type=int, help="default: 20")
    add("--batch-size", type=int, help="per device; default: 4")
    add("--learning-rate", type=float, help="default: 0.003")
    add(
        "--variance-learning-rate",
        type=number_or_none,
        metavar="RATE",
        help="of the variances of weights, or none for the learning rate; default: 0.03",
    )
    add("--weight-decay", type=float, help="default: 0.0001")
    add("--seed", type=int, help="default: 1")
    add("--gradient-clip", type=number_or_none, help="largest norm of the gradient, or none; default: 1")
    add("--validation-every", type=int, metavar="EPOCHS", help="a divisor of the epochs; default: 1")
    add("--early-stopping", type=int, metavar="N", help="end after so many validations without a better one")
    add("--ema", type=float, metavar="DECAY", help="validate and keep a moving average of the weights")


def _add_computer(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--precision", choices=["32-true", "bf16-mixed", "16-mixed"], help="default: 32-true")
    add("--accelerator", default="auto", choices=["auto", "cpu", "gpu"])
    add("--devices", type=int, metavar="N", help="processes on this machine; default: 1")
    add("--num-nodes", type=int, metavar="N", help="machines; default: 1")
    add("--strategy", metavar="NAME", help="Lightning's, such as ddp; default: auto")
