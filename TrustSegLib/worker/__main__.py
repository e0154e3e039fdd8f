"""`python -m TrustSegLib.worker`: the process; started by `Worker`, not by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from TrustSegLib.worker.server.channel import Channel
from TrustSegLib.worker.server.service import serve


def main(arguments: list[str] | None = None) -> None:
    """Serve until the client closes or dies, or has sent no request for long."""
    # First of all: what any library prints from here on goes to the log.
    channel = Channel.take_standard_streams()
    parser = argparse.ArgumentParser(prog="python -m TrustSegLib.worker")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--idle-seconds", type=float, default=600.0)
    options = parser.parse_args(arguments)
    serve(channel, options.folder, options.idle_seconds)


if __name__ == "__main__":
    main()
