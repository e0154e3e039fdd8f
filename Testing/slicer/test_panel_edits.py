"""A person edits the mask: the panel, the editor and the numbers know what was changed, and where."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import ERROR_MAP, PANEL, results, wait_until
from review_runs import DECISION, INTERVAL, QUALITY, STRUCTURE, UNCERTAINTY, VOLUME, cells, click_row, log
from review_samples import erase, put_calibrated


def test_edit_here_edits_elsewhere(opened):
    ui, segmentation = opened.ui, opened.nodes.segmentation
    ui.nextButton.click()
    ui.editButton.click()
    assert opened.modules == ["SegmentEditor"]
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor.GetSelectedSegmentID() == "Segment_1"
    assert editor.GetSourceVolumeNode() is opened.nodes.maps[ERROR_MAP]
    assert editor.GetSourceVolumeIntensityMask()
    opened.panel.widget.exit()
    erase(segmentation, "Segment_1")
    wait_until(lambda: ui.progressLabel.text == "1 of 3 reviewed")
    opened.panel.widget.enter()
    assert not editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeNode() is opened.image
    assert [row[DECISION] for row in cells(ui.regionTable)] == ["Edited", "", ""]
    assert log(opened)[-2:] == [("edit here", "region 1"), ("edit", "structure 1")]


def test_the_numbers_do_not_follow_an_edit(opened):
    ui = opened.ui
    before, other = cells(ui.resultsTable)
    erase(opened.nodes.segmentation, "Segment_1")
    wait_until(lambda: cells(ui.resultsTable)[0][VOLUME] != before[VOLUME])
    row, second = cells(ui.resultsTable)
    assert float(row[VOLUME]) < float(before[VOLUME])
    stale = (INTERVAL, QUALITY, UNCERTAINTY)
    assert [row[column] for column in stale] == [before[column] + "*" for column in stale]
    assert ui.resultsTable.item(0, INTERVAL).toolTip().startswith("Of the automatic mask")
    assert ui.cautionLabel.text.endswith("* Of the automatic mask, which was edited since.")
    assert row[STRUCTURE].endswith("\nEdited")
    assert second == other


def test_an_edit_while_the_panel_was_closed_is_missed(image, shared_worker, dialogs):
    from qt_stand_ins.panel import open_panel

    nodes = put_calibrated(image)
    erase(nodes.segmentation, "Segment_2")
    with open_panel(PANEL) as panel:
        assert cells(panel.ui.resultsTable)[1][INTERVAL].endswith("*")
        assert panel.widget.reviewPanel.review.export()["items"] == {"structure 2": {"decision": "edited"}}


def test_an_edit_without_uncertainty_tells_where_it_is(opened):
    opened.panel.grab()
    opened.ui.revealLaterCheckBox.click()
    put_calibrated(opened.image)
    opened.panel.widget.showResults(results(opened.image))
    click_row(opened.ui.resultsTable, 0)
    opened.ui.editButton.click()
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert not editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeNode() is opened.image
