"""The command `trustseg-train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from TrustSegLib.errors import TrustSegError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 2 is the exit code of what the user can mend.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except TrustSegError as error:
        print(f"trustseg-train: error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"trustseg-train: error: {error}; the checkpoint before it is kept", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("trustseg-train: stopped; the same command with --resume goes on", file=sys.stderr)
        return 130
    return 0


def _fit(options: argparse.Namespace) -> None:
    from .configuration import FitConfiguration
    from .fit import fit

    names = FitConfiguration.__dataclass_fields__
    settings = {name: value for name, value in vars(options).items() if name in names and value is not None}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    fit(FitConfiguration(**settings), options.output, resume=options.resume, accelerator=options.accelerator)


def _export(options: argparse.Namespace) -> None:
    from .export import export

    export(options.run, options.output, options.details)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "trustseg-train", description="Make segmentation models that carry their own uncertainty."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands.add_parser("fit", help="train a network on a folder of labelled images"))
    _add_export(commands.add_parser("export", help="write a trained network as a model bundle"))
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", help="folder with imagesTr, labelsTr and splits.csv (columns case, split)")
    add("-o", "--output", type=Path, required=True, help="run folder")
    add("--structures", nargs="+", required=True, metavar="NAME", help="names of labels 1, 2, ...")
    add("--family", choices=["vdp", "deterministic"], help="default: vdp")
    add("--propagation", choices=["taylor", "exact", "correlated"], help="default: exact")
    add("--filters", type=int, nargs="+", help="kernels per level; default: 12 24 48")
    add("--spacing", type=float, nargs=3, metavar="MM", help="x y z; default: 1 1 1")
    add("--patch", type=int, nargs=3, metavar="VOXELS", help="x y z; default: 40 56 40")
    add("--epochs", type=int, help="default: 20")
    add("--batch-size", type=int, help="default: 4")
    add("--learning-rate", type=float, help="default: 0.003")
    add("--seed", type=int, help="default: 1")
    add("--kl-weight", type=float, help="tempering of the divergence; default: 0.01")
    add("--relative-variance", type=float, help="kernel variance at the start; default: 0.01")
    add("--initialize-from", metavar="RUN", help="run of a deterministic twin to start from")
    add("--precision", choices=["32-true", "bf16-mixed"], help="default: 32-true")
    add("--accelerator", default="auto", choices=["auto", "cpu", "gpu"])
    add("--resume", action="store_true", help="continue the run in the output folder")
    parser.set_defaults(command=_fit)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, help="run folder of fit")
    add("-o", "--output", type=Path, required=True, help="bundle folder to write")
    add("--details", type=Path, required=True, help="JSON with name, version, structures, data and licence")
    parser.set_defaults(command=_export)
