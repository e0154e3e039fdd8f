"""A first look without the uncertainty: nothing tells of it before the person asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import PANEL, load_image, results, segment
from review_runs import INTERVAL, QUALITY, UNCERTAINTY, VOLUME, log, overlay_shown
from review_samples import put_calibrated


def test_a_first_look_shows_the_uncertainty(panel, image):
    ui = panel.ui
    ui.revealLaterCheckBox.click()
    segment(panel)
    nodes = results(image)
    assert not overlay_shown(nodes)
    panel.press("U")
    panel.press("N")
    assert not overlay_shown(nodes)
    assert not ui.color3DCheckBox.enabled
    assert all(ui.resultsTable.isColumnHidden(column) for column in (INTERVAL, QUALITY, UNCERTAINTY))
    assert not ui.resultsTable.isColumnHidden(VOLUME)
    assert ui.regionBox.isHidden()
    assert ui.cautionLabel.text == ""
    assert not ui.revealBox.isHidden()
    ui.revealButton.click()
    assert overlay_shown(nodes)
    assert ui.showOverlayCheckBox.enabled
    assert ui.showOverlayCheckBox.checked
    assert ui.revealBox.isHidden()
    assert not ui.resultsTable.isColumnHidden(UNCERTAINTY)
    actions = [entry[0] for entry in log(SimpleNamespace(nodes=nodes))]
    assert actions == ["segmented", "show", "reveal"]


def test_a_first_look_is_not_the_first_after_reload_or_cannot_be_ended(image, shared_worker, dialogs):
    from qt_stand_ins.panel import open_panel

    nodes = put_calibrated(image)
    slicer.mrmlScene.GetFirstNodeByName("MR")
    with open_panel(PANEL) as panel:
        assert panel.ui.revealBox.isHidden(), "it was asked for by nobody"
        panel.ui.revealLaterCheckBox.click()
        assert panel.ui.revealBox.isHidden(), "what was seen cannot be unseen"
        second = load_image(name="second")
        put_calibrated(second)
        panel.ui.inputSelector.setCurrentNode(second)
        assert not panel.ui.revealBox.isHidden()
        panel.ui.inputSelector.setCurrentNode(image)
        assert panel.ui.revealBox.isHidden()
        panel.ui.inputSelector.setCurrentNode(second)
        panel.ui.revealLaterCheckBox.click()
        assert panel.ui.revealBox.isHidden()
        assert not panel.ui.regionBox.isHidden()
    assert nodes.segmentation.GetAttribute("TrustSeg.Review")
