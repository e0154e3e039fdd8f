"""What the product says and finds, kept as files (`make goldens` writes them, a test compares them).

A change of structure must not change any of these; a change of words or numbers is seen in the diff.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
from source_tree import ROOT

GOLDENS = ROOT / "Testing" / "goldens"
HELP = "help.txt"
REPORT = "report.json"
SAMPLE = "TrustSeg/Resources/SampleData/hippocampus_223.nii.gz"
COMMANDS = (
    ("TrustSegLib", ("", "segment", "models", "models add", "models remove")),
    (
        "trustseg_training",
        (
            *("", "auto", "init", "fit", "calibrate", "evaluate", "compare", "export"),
            *("study", "verify", "alarms", "results", "moments"),
        ),
    ),
)


def help_pages() -> str:
    """The help of every command, one after the other, 100 columns wide."""
    pages = [_help(module, command) for module, commands in COMMANDS for command in commands]
    return "\n".join(pages)


def _help(module: str, command: str) -> str:
    arguments = [sys.executable, "-m", module, *command.split(), "--help"]
    environment = os.environ | {"COLUMNS": "100"}
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    return f"$ {module} {command}".rstrip() + f"\n{done.stdout}"


def sample_report(folder: Path) -> dict:
    """Segment the sample; its report without what changes from run to run, and a digest of its mask.

    Parameters
    ----------
    folder : Path
        Empty, for the results.
    """
    arguments = [
        sys.executable,
        "-m",
        "TrustSegLib",
        "segment",
        SAMPLE,
        "-o",
        folder,
        "--device",
        "cpu",
        "--quiet",
    ]
    subprocess.run(arguments, capture_output=True, check=True, cwd=ROOT)
    report = json.loads((folder / "report.json").read_text("utf-8"))
    for changing in ("versions", "times", "command"):
        report["provenance"].pop(changing)
    mask = np.asarray(nibabel.load(folder / "mask.nii.gz").dataobj, dtype=np.uint8)
    return {"mask_sha256": hashlib.sha256(mask.tobytes()).hexdigest(), "report": report}


def main() -> None:
    """Write the goldens anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="empty folder for the sample's results")
    options = parser.parse_args()
    GOLDENS.mkdir(exist_ok=True)
    (GOLDENS / HELP).write_text(help_pages(), "utf-8")
    text = json.dumps(sample_report(options.folder), indent=2, sort_keys=True)
    (GOLDENS / REPORT).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
