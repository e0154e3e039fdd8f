"""The command `trustseg-train`."""

from __future__ import annotations

import argparse
import sys

from TrustSegLib.errors import TrustSegError, disk_full, is_disk_full

from .commands import (
    alarms,
    auto,
    calibrate,
    compare,
    evaluate,
    export,
    fit,
    init,
    moments,
    results,
    study,
    verify,
)

# In the order in which a person uses them.
COMMANDS = {
    "auto": auto,
    "init": init,
    "fit": fit,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "compare": compare,
    "export": export,
    "study": study,
    "verify": verify,
    "alarms": alarms,
    "results": results,
    "moments": moments,
}

# How a stopped command is continued; the other commands cannot be.
CONTINUATION = {
    "fit": "repeat the command with --resume to continue, without it if there is no run folder yet",
    **dict.fromkeys(("auto", "study", "verify", "moments"), "repeat the command to continue"),
}
NO_CONTINUATION = "the command starts over; choose a new output if something is written already"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 2 is the exit code of what the user can fix.

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
    except OSError as error:
        # Whichever library writes, and wherever: a full disk is nobody's bug.
        if not is_disk_full(error):
            raise
        place = error.filename or getattr(options, "output", None) or options.name
        full = disk_full(place, "a file for it cannot be written")
        print(f"trustseg-train: error: {full}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(
            f"trustseg-train: error: {error}; the last checkpoint before it, if there is one, is kept",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f"trustseg-train: stopped; {CONTINUATION.get(options.name, NO_CONTINUATION)}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "trustseg-train", description="Make segmentation models that carry their own uncertainty."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.SUMMARY)
        command.add_arguments(own)
        own.set_defaults(command=command.run, name=name)
    return parser
