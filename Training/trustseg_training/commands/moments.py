"""`trustseg-train moments`."""

from __future__ import annotations

import argparse
from pathlib import Path

from TrustSegLib.networks import PROPAGATIONS

from .options import add_checkpoint, add_data, add_device, add_output, add_split

SUMMARY = "compare a model's analytic moments with sampled weight sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("model", type=Path, metavar="RUN|BUNDLE", help="model of the family vdp")
    add_data(parser)
    add_output(parser)
    add("--images", type=int, default=20, metavar="N", help="one a patient; default: 20")
    add("--samples", type=int, default=10_000, metavar="N", help="weight sets; default: 10000")
    add("--minutes", type=float, help="stop sampling after so long, and report what is there")
    add(
        "--crop",
        type=int,
        nargs=3,
        default=[24, 32, 24],
        metavar="VOXELS",
        help="x y z around the structures; default: 24 32 24",
    )
    add("--modes", nargs="+", choices=PROPAGATIONS, default=PROPAGATIONS, help="default: all")
    add(
        "--conditions",
        nargs="+",
        default=["clean", "gaussian-8dB"],
        metavar="NAME",
        help="clean and corruptions, in turns over the images; default: clean gaussian-8dB",
    )
    add(
        "--layer-images",
        type=int,
        default=2,
        metavar="N",
        help="images to compare every layer on; default: 2",
    )
    add_split(parser)
    add("--seed", type=int, default=0, help="of weight sets and noise; default: 0")
    add_device(parser, default="cpu")
    add_checkpoint(parser, of="the run")


def run(options: argparse.Namespace) -> None:
    """Sample, compare, and print how well the modes agree."""
    from trustseg_training.moment_check import MomentCheck, check_moments
    from trustseg_training.moment_check.check import lines_of
    from trustseg_training.training import CHECKPOINTS

    names = MomentCheck.__dataclass_fields__
    given = {name: value for name, value in vars(options).items() if name in names}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    given["checkpoint"] = CHECKPOINTS[options.checkpoint]
    numbers = check_moments(options.model, options.data, options.output, MomentCheck(**given))
    for line in lines_of(numbers):
        print(line)
    print(options.output / "moments.md")
