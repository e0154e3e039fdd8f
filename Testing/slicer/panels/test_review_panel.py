"""The review in the panel: clicks and keys of the user, and the scene afterwards."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
import slicer
from panel_runs import ERROR_MAP, PANEL, load_image, results, segment, wait_until
from review_runs import (
    DECISION,
    INTERVAL,
    QUALITY,
    STRUCTURE,
    UNCERTAINTY,
    VOLUME,
    cells,
    click_row,
    crosshair,
    double_click_row,
    log,
    overlay_shown,
    regions_of,
    review_of,
)
from review_samples import erase, put_calibrated, type_text
from scene_samples import LABELS


def test_table_lists_the_regions_of_the_report(opened):
    ui, regions = opened.ui, regions_of(opened)
    rows = cells(ui.regionTable)
    assert [row[0] for row in rows] == [f"{r['rank']}. {r['structures'][0]}" for r in regions]
    assert [row[1:3] for row in rows] == [["0.120", "48"], ["0.060", "46"], ["0.040", "44"]]
    x, y, z = (round(abs(value)) for value in regions[0]["position_ras_mm"])
    assert rows[0][3] == f"R {x}, A {y}, S {z}"
    assert ui.progressLabel.text == "0 of 3 reviewed"
    assert ui.itemBox.isHidden()


def test_keys_step_through_the_regions(opened):
    places = [region["position_ras_mm"] for region in regions_of(opened)]
    seen = []
    for key in ("N", "N", "N", "N", "P"):
        opened.panel.press(key)
        seen.append(crosshair())
    expected = [places[index] for index in (0, 1, 2, 2, 1)]
    assert seen == [pytest.approx(place) for place in expected]
    assert opened.ui.itemLabel.text.startswith("Region 2: ")
    assert log(opened)[-1] == ("jump", "region 2")


def test_keys_work_only_while_the_panel_is_open(opened):
    opened.panel.widget.exit()
    opened.panel.press("N")
    assert opened.ui.itemBox.isHidden()
    opened.panel.widget.enter()
    opened.panel.press("N")
    assert not opened.ui.itemBox.isHidden()


def test_letters_of_a_comment_do_not_act_as_keys(opened):
    ui, window = opened.ui, slicer.app.main_window
    window.setCentralWidget(opened.panel.window)
    try:
        opened.panel.press("N")
        ui.commentEdit.setFocus()
        slicer.app.processEvents()
        assert slicer.app.main_window.focusWidget() is ui.commentEdit
        type_text(ui.commentEdit, "NPUnpu")
        assert ui.commentEdit.text == "NPUnpu"
        assert ui.itemLabel.text.startswith("Region 1: ")
        assert [action for action, _item in log(opened)].count("jump") == 1
    finally:
        window.takeCentralWidget()


def test_click_chooses_a_region_or_a_structure(opened):
    opened.panel.grab()
    click_row(opened.ui.regionTable, 2)
    assert crosshair() == pytest.approx(regions_of(opened)[2]["position_ras_mm"])
    assert opened.ui.itemLabel.text.startswith("Region 3: ")
    click_row(opened.ui.resultsTable, 1)
    assert opened.ui.itemLabel.text == "Posterior hippocampus"
    assert not opened.ui.regionTable.selectionModel().selectedRows(), "two things seem chosen"
    opened.ui.nextButton.click()
    assert opened.ui.itemLabel.text.startswith("Region 1: ")
    assert not opened.ui.resultsTable.selectionModel().selectedRows()


def test_result_without_regions_is_shown(image, shared_worker, dialogs):
    from qt_stand_ins.panel import open_panel

    put_calibrated(image, regions=0)
    with open_panel(PANEL) as panel:
        panel.press("N")
        assert panel.ui.progressLabel.text == "No region to review."
        assert panel.ui.regionTable.isHidden()
        assert panel.ui.stepBox.isHidden()


def test_double_click_on_a_structure_centers_the_views(opened, application):
    opened.panel.grab()
    view = application.slice_view("Green")
    labels = sitk.ReadImage(str(LABELS))
    for row, name in ((1, "Posterior hippocampus"), (0, "Anterior hippocampus")):
        double_click_row(opened.ui.resultsTable, row)
        point = crosshair()
        voxel = labels.TransformPhysicalPointToIndex((-point[0], -point[1], point[2]))
        assert labels[voxel] == row + 1
        height, width = view.size[1], view.size[0]
        assert view.pixel_of(point) == pytest.approx((height / 2, width / 2), abs=1)
        assert opened.ui.itemLabel.text == name
        assert log(opened)[-1] == ("jump", f"structure {row + 1}")


def test_double_click_on_an_empty_structure_moves_no_view(opened):
    opened.panel.grab()
    opened.panel.press("N")
    erase(opened.nodes.segmentation, "Segment_2", planes=1000)
    opened.panel.widget.reviewPanel.look_for_edits()
    place, lines = crosshair(), log(opened)
    double_click_row(opened.ui.resultsTable, 1)
    assert opened.ui.itemLabel.text == "Posterior hippocampus"
    assert crosshair() == place
    assert log(opened) == lines


def test_decisions_are_kept_counted_and_withdrawn(opened):
    from TrustSegModule.review.decisions import ACCEPTED, FLAGGED, Item

    ui = opened.ui
    ui.nextButton.click()
    ui.acceptButton.click()
    ui.nextButton.click()
    assert not ui.acceptButton.checked, "the decision of the region before"
    ui.flagButton.click()
    assert ui.progressLabel.text == "2 of 3 reviewed"
    assert [row[DECISION] for row in cells(ui.regionTable)] == ["Accepted", "Flagged", ""]
    decisions = [review_of(opened).decision(Item("region", rank)) for rank in (1, 2, 3)]
    assert decisions == [ACCEPTED, FLAGGED, None]
    ui.acceptButton.click()
    assert (ui.acceptButton.checked, ui.flagButton.checked) == (True, False)
    ui.acceptButton.click()
    assert ui.progressLabel.text == "1 of 3 reviewed"
    decided = [entry for entry in log(opened) if entry[0] in {"accept", "flag", "withdraw"}]
    region = "region 2"
    assert decided == [("accept", "region 1"), ("flag", region), ("accept", region), ("withdraw", region)]


def test_structure_can_be_flagged(opened):
    opened.panel.grab()
    click_row(opened.ui.resultsTable, 0)
    opened.ui.flagButton.click()
    names = ["Anterior hippocampus\nFlagged", "Posterior hippocampus"]
    assert [row[STRUCTURE] for row in cells(opened.ui.resultsTable)] == names
    assert opened.ui.progressLabel.text == "0 of 3 reviewed"
    assert log(opened)[-1] == ("flag", "structure 1")


def test_comment_stays_with_its_region_and_is_logged_once(opened):
    from TrustSegModule.review.decisions import Item

    ui = opened.ui
    ui.nextButton.click()
    type_text(ui.commentEdit, "vessel")
    assert review_of(opened).comment(Item("region", 1)) == "vessel"
    ui.nextButton.click()
    assert ui.commentEdit.text == ""
    assert review_of(opened).comment(Item("region", 2)) == ""
    ui.previousButton.click()
    assert ui.commentEdit.text == "vessel"
    assert [entry for entry in log(opened) if entry[0] == "comment"] == [("comment", "region 1")]


def test_review_survives_save_and_reload(opened, application, tmp_path):
    ui = opened.ui
    ui.nextButton.click()
    ui.acceptButton.click()
    type_text(ui.commentEdit, "vessel, not tumor")
    ui.nextButton.click()
    ui.flagButton.click()
    erase(opened.nodes.segmentation, "Segment_2")
    opened.panel.widget.reviewPanel.look_for_edits()
    regions, structures = cells(ui.regionTable), cells(ui.resultsTable)
    lines = log(opened)
    slicer.util.saveScene(str(tmp_path / "review.mrb"))
    application.scene.Clear(0)
    assert ui.reviewSection.isHidden()
    slicer.util.loadScene(str(tmp_path / "review.mrb"))
    assert cells(ui.regionTable) == regions
    assert cells(ui.resultsTable) == structures
    assert ui.progressLabel.text == "2 of 3 reviewed"
    opened.nodes = results(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
    assert log(opened)[: len(lines)] == lines
    ui.nextButton.click()
    assert ui.acceptButton.checked
    assert ui.commentEdit.text == "vessel, not tumor"


def test_deleted_result_ends_the_review(opened, scene):
    opened.ui.nextButton.click()
    scene.RemoveNode(opened.nodes.segmentation)
    assert opened.ui.reviewSection.isHidden()
    opened.panel.press("N")


def test_edit_here_opens_the_segment_editor_at_the_region(opened):
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


def test_numbers_follow_an_edit(opened):
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


def test_edit_while_the_panel_was_closed_is_found(image, shared_worker, dialogs):
    from qt_stand_ins.panel import open_panel

    nodes = put_calibrated(image)
    erase(nodes.segmentation, "Segment_2")
    with open_panel(PANEL) as panel:
        assert cells(panel.ui.resultsTable)[1][INTERVAL].endswith("*")
        assert panel.widget.reviewPanel.review.export()["items"] == {"structure 2": {"decision": "edited"}}


def test_edit_before_revealing_is_not_limited_to_the_uncertain_voxels(opened):
    opened.panel.grab()
    opened.ui.revealLaterCheckBox.click()
    put_calibrated(opened.image)
    opened.panel.widget.showResults(results(opened.image))
    click_row(opened.ui.resultsTable, 0)
    opened.ui.editButton.click()
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert not editor.GetSourceVolumeIntensityMask()
    assert editor.GetSourceVolumeNode() is opened.image


def test_uncertainty_is_concealed_until_revealed(panel, image):
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


def test_revealed_result_is_never_concealed_again(image, shared_worker, dialogs):
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
