"""`trustseg-train init`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trustseg_training import presets

SUMMARY = "inspect a data set and write a configuration to train with"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "data",
        type=Path,
        help="folder with imagesTr and labelsTr (and dataset.json, splits.csv), or a CSV file with columns "
        "image (or image_CHANNEL, ...), label and, if there are any, patient and split",
    )
    add("-o", "--output", type=Path, required=True, metavar="FILE.yaml", help="configuration to write")
    add("--preset", choices=presets.names(), help="settings to keep; the data choose the others")
    add("--channels", nargs="+", metavar="NAME", default=[], help="channels to use; default: all")
    add("--memory", type=float, default=8.0, metavar="GIB", help="for a training step; default: 8")


def run(options: argparse.Namespace) -> None:
    """Measure the data and write the configuration."""
    from trustseg_training.config.planning import choose, place_of
    from trustseg_training.config.template import to_text
    from trustseg_training.config.yaml_file import settings_of_preset
    from trustseg_training.dataset.fingerprint import measure
    from TrustSegLib.errors import OptionError, output_error

    output: Path = options.output
    if os.path.lexists(output):
        raise OptionError(f"{output}: exists already; remove it or choose another name")
    if not options.memory > 0:
        raise OptionError(f"memory {options.memory:g} is not valid; give GiB above 0")
    fingerprint = measure(options.data, tuple(options.channels))
    preset = settings_of_preset(options.preset) if options.preset else {}
    plan = choose(place_of(options.data, output), fingerprint, preset, options.memory)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(to_text(plan, fingerprint, options.preset), encoding="utf-8")
    except OSError as error:
        raise output_error(output, error, "choose another place") from error
    for warning in plan.warnings:
        print(f"warning: {warning}")
    print(f"{output}: look through it, then run trustseg-train fit --config {output} -o RUN")
