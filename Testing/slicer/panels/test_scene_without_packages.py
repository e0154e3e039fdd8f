"""A scene is shown before any package is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer")
from review_samples import put_calibrated
from source_tree import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WITH_SLICER = {"numpy", "SimpleITK"}
LOOK = """
import sys
from pathlib import Path

root, scene, *absent = sys.argv[1:]
sys.path[:0] = [f"{root}/Testing/harness"]
sys.path.append(f"{root}/TrustSeg")
# An import of it raises ModuleNotFoundError.
sys.modules.update(dict.fromkeys(absent))

from application import Application
from qt_stand_ins.installation import install

application = Application()
install(application)
import slicer
from qt_stand_ins.panel import open_panel
from TrustSegModule.app import dependencies, host
from TrustSegModule.app.installed_packages import DependencyState

dependencies.check = lambda: DependencyState("missing", tuple(absent))
host.open_module = print
with open_panel(Path(root, "TrustSeg", "TrustSeg.py")) as panel:
    slicer.util.loadScene(scene)
    ui = panel.ui
    for button in (ui.nextButton, ui.acceptButton, ui.editButton, ui.showOverlayCheckBox, ui.show3DCheckBox):
        button.click()
    panel.press("U")
    print(ui.resultsTable.rowCount, ui.regionTable.rowCount, ui.mapSelector.currentText, sep="\\n")
    print(ui.thresholdSlider.maximum, ui.progressLabel.text, sep="\\n")
application.close()
"""


def not_in_slicer() -> list[str]:
    """All that the library asks for, in one part or another, and that Slicer may not have."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # The group "test" is what this test runs with.
    more = [group for name, group in stated["optional-dependencies"].items() if name != "test"]
    groups = [stated["dependencies"], *more]
    return sorted({re.match(r"[\w-]+", each)[0] for group in groups for each in group} - WITH_SLICER)


@pytest.fixture
def saved(image, application, tmp_path: Path) -> Path:
    put_calibrated(image)
    application.save_scene(tmp_path / "case.mrb")
    return tmp_path / "case.mrb"


def test_loaded_scene_is_shown_before_the_packages_are_installed(saved: Path):
    absent = not_in_slicer()
    assert {"scipy", "torch", "jsonschema"} <= set(absent)
    command = [sys.executable, "-c", LOOK, str(ROOT), str(saved), *absent]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = ["SegmentEditor", "2", "3", "Error probability", "50.0", "1 of 3 reviewed"]
    assert done.stdout.splitlines() == shown
