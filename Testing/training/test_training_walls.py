"""Which room of the training may know which; the heavy libraries wait until a command needs them."""

from __future__ import annotations

import re
import subprocess
import sys

from source_tree import ROOT, files
from walls import broken, circle, rooms

PACKAGE, SOURCE = "trustseg_training", ROOT / "Training"
MAY_KNOW: dict[str, set[str]] = {
    "__init__": set(),
    "shipped": set(),
    "formatting": set(),
    "progress": set(),
    "presets": {"shipped"},
    "dataset": {"progress"},
    "metrics": set(),
    "config": {"presets", "dataset"},
    "data": {"dataset", "config", "progress"},
    "training": {"config", "data", "metrics"},
    "evaluation": {
        "corruptions",
        "dataset",
        "config",
        "data",
        "formatting",
        "metrics",
        "progress",
        "training",
    },
    "export": {"dataset", "config", "data", "formatting", "metrics", "training", "evaluation", "robustness"},
    "calibration": {
        "corruptions",
        "dataset",
        "evaluation",
        "data",
        "formatting",
        "metrics",
        "progress",
        "training",
        "config",
    },
    "moment_check": {"corruptions", "dataset", "evaluation", "formatting", "training", "config", "data"},
    "studies": {"dataset", "config", "evaluation", "formatting", "training"},
    "auto": {
        "calibration",
        "config",
        "data",
        "dataset",
        "evaluation",
        "export",
        "formatting",
        "progress",
        "training",
    },
    "corruptions": set(),
    "attacks": set(),
    "suites": {"shipped"},
    "robustness": {
        "attacks",
        "config",
        "corruptions",
        "dataset",
        "evaluation",
        "formatting",
        "metrics",
        "training",
        "suites",
    },
    "alarms": {"corruptions", "dataset", "evaluation", "formatting", "metrics", "progress"},
    "report": {"dataset", "evaluation", "formatting", "metrics", "robustness", "attacks", "corruptions"},
    "commands": {
        "alarms",
        "auto",
        "export",
        "calibration",
        "config",
        "dataset",
        "evaluation",
        "formatting",
        "moment_check",
        "presets",
        "report",
        "training",
        "studies",
        "suites",
        "robustness",
    },
    "cli": {"commands"},
    "__main__": {"cli"},
}
HEAVY = ("torch", "lightning", "monai", "numpy", "SimpleITK")


def test_every_room_of_the_training_has_its_walls():
    assert rooms(PACKAGE, SOURCE) <= set(MAY_KNOW), "say in MAY_KNOW what it may know"


def test_no_room_of_the_training_knows_more_than_it_may():
    found = broken(PACKAGE, MAY_KNOW, SOURCE)
    assert not found, "\n".join(found)


def test_the_walls_of_the_training_stand_without_a_circle():
    assert not circle(MAY_KNOW)


def test_a_relative_import_stays_in_its_room():
    leaving = [
        path for path in files("Training", "*.py") if re.search(r"^\s*from \.\.", path.read_text(), re.M)
    ]
    assert not leaving


def test_help_loads_no_heavy_library():
    """Seconds that a person would wait for a list of options."""
    code = (
        "import sys\nfrom trustseg_training.cli import main\n"
        "try:\n    main(['fit', '--help'])\n"
        f"except SystemExit:\n    print('loaded', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
