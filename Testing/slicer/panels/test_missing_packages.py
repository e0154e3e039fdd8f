"""Missing packages: the panel asks at the click and not before, and declining changes nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import PANEL, node_names, results, wait_for_end


@pytest.fixture
def packages(monkeypatch, image):
    """What the look at the packages finds; the test fills it in."""
    from TrustSegModule.app import dependencies
    from TrustSegModule.app.installed_packages import DependencyState

    states = [DependencyState("ready", ("jsonschema>=4.20",))]
    monkeypatch.setattr(dependencies, "check", lambda: states[-1])
    return states


@pytest.fixture
def panel_without(packages):
    """The panel in a Slicer whose packages are missing."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


@pytest.fixture
def no_worker(monkeypatch):
    from TrustSegModule.panels import session

    def refuse():
        raise AssertionError("a worker is started without its packages")

    monkeypatch.setattr(session, "make_worker", refuse)


def test_opening_the_panel_neither_asks_nor_starts_a_worker(no_worker, panel_without, dialogs):
    assert dialogs.shown == []
    assert panel_without.ui.segmentButton.enabled
    assert panel_without.ui.statusLabel.text == ""


def test_declining_leaves_the_scene_and_asks_again_at_the_next_click(no_worker, panel_without, dialogs):
    before = node_names()
    dialogs.answer("Cancel", to="packages that are not in this Slicer")
    panel_without.ui.segmentButton.click()
    assert "jsonschema>=4.20" in dialogs.shown[0].details
    assert panel_without.ui.segmentButton.text == "Segment"
    assert panel_without.ui.segmentButton.enabled
    assert panel_without.ui.statusLabel.text.startswith("Nothing was installed")
    assert node_names() == before
    # Asked again at the next click.
    dialogs.answer("Cancel")
    panel_without.ui.segmentButton.click()
    assert len(dialogs.shown) == 2


def test_missing_pytorch_extension_is_explained(no_worker, panel_without, packages, dialogs):
    from TrustSegModule.app.installed_packages import DependencyState

    packages.append(DependencyState("missing", ()))
    dialogs.answer("Ok", to="install the extension PyTorch")
    panel_without.ui.segmentButton.click()
    (box,) = dialogs.shown
    assert box.icon == "Critical"
    assert "\n" not in box.text
    assert panel_without.ui.statusLabel.text == box.text
    assert panel_without.ui.segmentButton.enabled


def test_segmentation_starts_after_the_installation(
    shared_worker, panel_without, packages, image, dialogs, monkeypatch
):
    from TrustSegModule.app import host
    from TrustSegModule.app.installed_packages import DependencyState

    asked = []

    def install(requirements, constraints):
        asked.append(requirements)
        packages.append(DependencyState("ready", ()))
        return True

    monkeypatch.setattr(host, "install_packages", install)
    dialogs.answer("Ok")
    panel_without.ui.segmentButton.click()
    wait_for_end(panel_without)
    assert asked == [["jsonschema>=4.20"]]
    assert results(image) is not None
    panel_without.ui.segmentButton.click()
    wait_for_end(panel_without)
    assert len(dialogs.shown) == 1, "asked again"


def test_testing_application_asks_nothing(no_worker, panel_without, slicer_application, dialogs, monkeypatch):
    """`Slicer --testing` has no user who could answer."""
    monkeypatch.setattr(slicer_application, "testing", True)
    panel_without.ui.segmentButton.click()
    assert dialogs.shown == []
    assert slicer.app.testingEnabled()
    assert panel_without.ui.statusLabel.text.startswith("Nothing was installed")
