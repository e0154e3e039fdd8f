"""The command line of `trustseg`; its commands are in `TrustSegLib.commands`."""

from __future__ import annotations

import argparse
import io
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

from TrustSegLib.commands.console import EXIT_FIXABLE, print_error
from TrustSegLib.errors import OptionError, TrustSegError, UnexpectedError
from TrustSegLib.version import __version__

EXIT_UNEXPECTED = 1
EXIT_INTERRUPTED = 130

SEGMENT_TEXT = """\
Segment images and show the uncertainty of every voxel.

An image is a NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file, or a directory that
holds one DICOM series. A directory can also be a batch of images. What is directly in it decides:

  DICOM images        one series, that is one image; directories in it are not searched
  else image files    a batch of these files; directories in it are not searched
  else                a batch of the directories in it, at any depth, that hold DICOM images; each must hold
                      one series, and its results go into a folder named after the path: patient1_CT

Results of an earlier run are left out. For each image these files are written:

  mask.nii.gz         label of each voxel
  uncertainty.nii.gz  probability (0 to 1) that the label is wrong
  overlay.png         three slices with the mask and its uncertainty
  report.html         one page to read and print, with pictures of the places to look at
  report.json         volumes, mean uncertainties, model and settings, for programs

With several images, the others are still segmented if one fails (the exit code is then 2). cases.csv and
cases.json list the images, the one that most likely failed first; structures.csv has one row per image and
structure.

Research use only."""

SEGMENT_EXAMPLES = """\
examples:
  trustseg segment scan.nii.gz -o results
  trustseg segment patients -o results --model hippocampus-t1
  trustseg segment dicom/series5 -o results --device cuda:0 --maps entropy,epistemic
  trustseg segment dicom/series5 -o results --dicom-seg
  trustseg segment dicom -o results --dicom-seg
  trustseg segment head.nrrd -o results --roi -40,-10,-50,0,-40,0
  trustseg segment scan.nii.gz -o results --json | jq .structures"""

EXAMPLES = """\
examples:
  trustseg segment scan.nii.gz -o results     mask, uncertainty, picture and report of a scan
  trustseg models list                        available models
  trustseg segment --help                     every option"""


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are like all others of the command: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the name of the program; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done; 2 an error that the user can fix, or an image of a batch that failed; 1 a bug with
        the only image; 130 interrupted. Each error is one line.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _escape_unprintable()
    try:
        parsed = build_parser().parse_args(_join_negative_numbers(arguments))
        parsed.command_line = shlex.join(["trustseg", *arguments])
        with _cleaning_up_on_signals():
            return _run(parsed)
    except TrustSegError as error:
        print_error(str(error), as_json="--json" in arguments)
        return EXIT_UNEXPECTED if isinstance(error, UnexpectedError) else EXIT_FIXABLE
    except KeyboardInterrupt:
        print("trustseg: interrupted; nothing half-written is left", file=sys.stderr)
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command."""
    parser = _Parser(
        prog="trustseg",
        description="Segment medical images and show the uncertainty of every voxel. Research use only.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"trustseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_segment(commands)
    _add_models(commands)
    return parser


def _add_segment(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "segment",
        help="segment images",
        description=SEGMENT_TEXT,
        epilog=SEGMENT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image file, or folder of a DICOM series, of image files, or of folders of DICOM series",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder for the results; with several images, one folder each inside it, named after the image "
        "or the folders of its series",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="also replace files in DIR that no earlier run has written"
    )
    parser.add_argument(
        "--redo",
        action="store_true",
        help="with several images, segment also those whose results in DIR are of the same image, model, "
        "version and options",
    )
    parser.add_argument(
        "--dicom-seg",
        action="store_true",
        help="also write segmentation.dcm (DICOM Segmentation), uncertainty.dcm (Parametric Map of the error "
        "probability) and report.dcm (structured report of the figures of each structure), for images that "
        "are DICOM series; needs pip install 'trustseg[dicom]'",
    )
    parser.add_argument(
        "--rtstruct",
        action="store_true",
        help="also write structures.dcm (RT Structure Set: contours for planning systems), likewise",
    )
    _add_model_options(parser.add_argument_group("model and map"))
    _add_pass_options(parser.add_argument_group("computation"))
    _add_output_options(parser)


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        default="auto",
        metavar="auto|NAME|PATH",
        help="a bundled or added model by name (see trustseg models list), or a model folder or .trustseg "
        "file; auto is the one that fits the image by its header, its intensities and what it shows "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--maps",
        default="",
        metavar="NAME,...",
        help="more maps to write, as uncertainty_NAME.nii.gz: predictive_variance, entropy, epistemic, "
        "aleatoric (error_probability is always written, as uncertainty.nii.gz)",
    )
    group.add_argument(
        "--roi",
        metavar="X0,X1,Y0,Y1,Z0,Z1",
        help="segment only this box, in RAS mm (x to the patient's right is from X0 to X1, ...); "
        "index:X0,X1,... takes voxels of the file instead (default: the whole image)",
    )


def _add_pass_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda[:N]",
        help="device of the network (default: %(default)s)",
    )
    group.add_argument(
        "--precision",
        default="float32",
        metavar="float32|bfloat16",
        help="floating-point precision of the network (default: %(default)s)",
    )
    group.add_argument(
        "--overlap",
        type=float,
        default=0.5,
        metavar="FRACTION",
        help="fraction of a patch that neighboring patches share, from 0 to below 1 (default: %(default)s)",
    )
    group.add_argument(
        "--batch-size", type=int, default=2, metavar="N", help="patches in one pass (default: %(default)s)"
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of models that draw random numbers (default: %(default)s)",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        action="store_true",
        help='print one JSON line per image: its report, or {"error": ...}; with several images a last line '
        'has {"cases": [...]}; no progress bar',
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def _add_models(commands: argparse._SubParsersAction) -> None:
    models = commands.add_parser("models", help="list, check, add and remove models", allow_abbrev=False)
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "list": "list the bundled models and those you have added",
        "show": "show the description of a model",
        "verify": "check that a model is complete and unchanged",
        "add": "verify a model and copy it to your own models, to be used by its name",
        "remove": "remove a model that you have added",
    }
    known = ("NAME|PATH", "bundled or added model, model folder or .trustseg file")
    operands = {
        "show": known,
        "verify": known,
        "add": ("FILE|FOLDER", ".trustseg file or model folder"),
        "remove": ("NAME", "of an added model"),
    }
    for action, text in texts.items():
        description = f"{text.capitalize()}."
        parser = actions.add_parser(action, help=text, description=description, allow_abbrev=False)
        if action in operands:
            metavar, operand = operands[action]
            parser.add_argument("model", metavar=metavar, help=operand)
        if action == "add":
            overwrite = "replace an added model of the same name"
            parser.add_argument("--overwrite", action="store_true", help=overwrite)
        parser.add_argument("--json", action="store_true", help="print JSON")


def _run(parsed: argparse.Namespace) -> int:
    # Imported here: PyTorch takes seconds to load, and --help or a mistyped path should not wait for it.
    if parsed.command == "segment":
        from TrustSegLib.cases.targets import plan_targets

        targets = plan_targets(parsed.images, parsed.output)
        from TrustSegLib.commands import segment

        return segment.run(parsed, targets)
    from TrustSegLib.commands import models

    actions = {
        "list": models.list_models,
        "show": models.show,
        "verify": models.verify,
        "add": models.add,
        "remove": models.remove,
    }
    return actions[parsed.action](parsed)


def _join_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Join `--roi` with its value: argparse takes a value such as -40,-10,... for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--roi":
            joined[-1] = f"--roi={argument}"
        else:
            joined.append(argument)
    return joined


def _escape_unprintable() -> None:
    """Escape characters that the terminal's encoding lacks, as standard error does by default."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _cleaning_up_on_signals() -> Iterator[None]:
    """Make `kill` and a closed terminal end the program with its cleanup."""
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # No other can set handlers.
            for name in ("SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # A signal that is ignored stays ignored, as nohup needs it.
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    stack.callback(signal.signal, number, signal.signal(number, _exit_on_signal))
        yield


def _exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
