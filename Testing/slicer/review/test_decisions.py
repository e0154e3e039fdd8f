"""Decisions, edits and the audit log of a result: on real nodes, and after save and reload."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from review_samples import calibrated_result, erase, put_calibrated
from scene_samples import MODEL, load_volume

ALGORITHM_TYPE = "DICOM.SegmentAlgorithmType"
COMMENT = 'Ränder; "unscharf" <hier> %20\n=2'


@pytest.fixture
def nodes(scene, monkeypatch):
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    return put_calibrated(load_volume(scene))


def algorithm_types(segmentation) -> list[str]:
    tags = []
    for number in range(segmentation.GetSegmentation().GetNumberOfSegments()):
        found = slicer.vtkSegment.GetTag
        text = vtk_text()
        assert found(segmentation.GetSegmentation().GetNthSegment(number), ALGORITHM_TYPE, text)
        tags.append(text.get())
    return tags


def vtk_text():
    import vtk

    return vtk.reference("")


def actions(segmentation) -> list[tuple[str, str]]:
    from TrustSegModule.review import audit_log

    return [(line["action"], line["item"]) for line in audit_log.entries(segmentation)]


def save_and_load(application, folder):
    from TrustSegModule.results.nodes import find_results

    application.save_scene(folder / "Fälle 1.mrb")
    application.scene.Clear(0)
    application.load_scene(folder / "Fälle 1.mrb")
    return find_results(application.scene, application.scene.GetFirstNodeByName("MR"))


def test_decisions_comments_and_log_are_saved_with_the_scene(application, nodes, tmp_path):
    from TrustSegModule.review import audit_log
    from TrustSegModule.review.decisions import ACCEPTED, FLAGGED, REGION, STRUCTURE, Item, Review

    review = Review(nodes.segmentation)
    review.reveal()
    review.decide(Item(REGION, 2), ACCEPTED)
    review.decide(Item(STRUCTURE, 1), FLAGGED)
    review.set_comment(Item(REGION, 2), COMMENT)
    review.log("comment", Item(REGION, 2), COMMENT)
    log, stored = audit_log.entries(nodes.segmentation), review.export()
    loaded = Review(save_and_load(application, tmp_path).segmentation)
    assert loaded.export() == stored
    assert audit_log.entries(loaded.node) == log
    assert loaded.revealed
    assert (loaded.decision(Item(REGION, 2)), loaded.decision(Item(STRUCTURE, 1))) == (ACCEPTED, FLAGGED)
    assert loaded.decision(Item(REGION, 1)) is None
    assert loaded.comment(Item(REGION, 2)) == COMMENT


def test_log_has_utc_timestamps(nodes):
    from datetime import datetime, timezone

    from TrustSegModule.review import audit_log

    before = datetime.now(timezone.utc).replace(microsecond=0)
    audit_log.record(nodes.segmentation, "show")
    stamp = audit_log.entries(nodes.segmentation)[-1]["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp)
    assert before <= datetime.fromisoformat(stamp.replace("Z", "+00:00")) <= datetime.now(timezone.utc)


def test_log_csv_keeps_a_comment_with_separators(nodes):
    from TrustSegModule.review import audit_log

    audit_log.record(nodes.segmentation, "comment", "region 1", COMMENT)
    rows = list(csv.DictReader(io.StringIO(audit_log.log_csv(nodes.segmentation), newline="")))
    assert rows == audit_log.entries(nodes.segmentation)


def test_progress_counts_the_decided_regions(nodes):
    from TrustSegModule.review.decisions import ACCEPTED, REGION, STRUCTURE, Item, Review

    review, items = Review(nodes.segmentation), [Item(REGION, rank) for rank in (1, 2, 3)]
    review.decide(items[0], ACCEPTED)
    review.decide(items[1], ACCEPTED)
    review.decide(items[1], None)
    review.decide(Item(STRUCTURE, 3), ACCEPTED)
    review.set_comment(items[2], "a comment is no decision")
    assert review.reviewed(items) == 1


def test_edited_segment_alone_becomes_semiautomatic(nodes):
    from TrustSegModule.review.decisions import ACCEPTED, EDITED, STRUCTURE, Item, Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    review, node = Review(nodes.segmentation), nodes.segmentation
    review.decide(Item(STRUCTURE, 1), ACCEPTED)
    assert not follow_edits(review)
    assert algorithm_types(node) == ["AUTOMATIC", "AUTOMATIC"]
    erase(node, "Segment_1")
    assert follow_edits(review)
    assert algorithm_types(node) == ["SEMIAUTOMATIC", "AUTOMATIC"]
    assert review.decision(Item(STRUCTURE, 1)) == EDITED, "what was accepted is not this mask"
    assert review.decision(Item(STRUCTURE, 2)) is None
    assert list(edited_volumes(review)) == [1]
    assert ("edit", "structure 1") in actions(node)
    assert not follow_edits(review), "the same edit is found twice"


def test_volume_of_an_edited_segment_is_that_of_its_voxels(nodes):
    from TrustSegModule.review.decisions import Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    review, labels = Review(nodes.segmentation), calibrated_result(image_of(nodes)).labels
    erase(nodes.segmentation, "Segment_1", planes=2)
    follow_edits(review)
    left = labels == 1
    left[np.flatnonzero(left.any(axis=(1, 2)))[:2]] = False
    spacing = np.prod(image_of(nodes).GetSpacing())
    assert edited_volumes(review)[1] == pytest.approx(left.sum() * spacing / 1000)


def image_of(nodes):
    return nodes.segmentation.GetNodeReference("TrustSeg.Input")


def test_restored_mask_is_automatic_again(nodes):
    from TrustSegModule.review.decisions import Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    review, node = Review(nodes.segmentation), nodes.segmentation
    before = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("Segment_1", before)
    erase(node, "Segment_1")
    follow_edits(review)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(before, node, "Segment_1")
    assert follow_edits(review)
    assert algorithm_types(node) == ["AUTOMATIC", "AUTOMATIC"]
    assert edited_volumes(review) == {}
    assert actions(node)[-1] == ("restore", "structure 1")


def test_shifted_mask_has_another_digest(nodes):
    from TrustSegModule.scene.segmentation import mask_fingerprints

    before = mask_fingerprints(nodes.segmentation)["Segment_1"]
    labelmap = slicer.vtkOrientedImageData()
    nodes.segmentation.GetBinaryLabelmapRepresentation("Segment_1", labelmap)
    extent = list(labelmap.GetExtent())
    labelmap.SetExtent(extent[0] + 1, extent[1] + 1, *extent[2:])
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        labelmap, nodes.segmentation, "Segment_1"
    )
    after = mask_fingerprints(nodes.segmentation)["Segment_1"]
    assert after.volume_ml == pytest.approx(before.volume_ml)
    assert after.digest != before.digest


def test_edits_survive_saving_and_saving_is_no_edit(application, nodes, tmp_path):
    from TrustSegModule.review.decisions import Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    erase(nodes.segmentation, "Segment_2")
    follow_edits(Review(nodes.segmentation))
    volumes = edited_volumes(Review(nodes.segmentation))
    loaded = Review(save_and_load(application, tmp_path).segmentation)
    assert not follow_edits(loaded), "saving and loading counts as an edit"
    assert edited_volumes(loaded) == volumes
    assert algorithm_types(loaded.node) == ["AUTOMATIC", "SEMIAUTOMATIC"]
    erase(loaded.node, "Segment_1")
    assert follow_edits(loaded)
    assert list(edited_volumes(loaded)) == [1, 2]


def test_review_handles_emptied_deleted_and_added_segments(nodes):
    from TrustSegModule.review.decisions import Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    review = Review(nodes.segmentation)
    erase(nodes.segmentation, "Segment_1", planes=1000)
    follow_edits(review)
    assert edited_volumes(review) == {1: 0.0}
    nodes.segmentation.GetSegmentation().RemoveSegment("Segment_2")
    nodes.segmentation.GetSegmentation().AddEmptySegment("mine", "mine")
    follow_edits(review)
    assert set(edited_volumes(review)) == {1}


def test_second_run_resets_decisions_and_keeps_the_log(scene, nodes):
    from TrustSegModule.results.nodes import put_result
    from TrustSegModule.review.decisions import ACCEPTED, REGION, Item, Review
    from TrustSegModule.review.edits import edited_volumes, follow_edits

    review = Review(nodes.segmentation)
    review.decide(Item(REGION, 1), ACCEPTED)
    review.reveal()
    erase(nodes.segmentation, "Segment_1")
    follow_edits(review)
    put_result(scene, image_of(nodes), calibrated_result(image_of(nodes)), MODEL)
    again = Review(nodes.segmentation)
    assert again.decision(Item(REGION, 1)) is None
    assert not again.revealed
    assert not follow_edits(again)
    assert edited_volumes(again) == {}
    assert algorithm_types(nodes.segmentation) == ["AUTOMATIC", "AUTOMATIC"]
    assert actions(nodes.segmentation).count(("segmented", "")) == 2
    assert ("accept", "region 1") in actions(nodes.segmentation)


def test_result_without_review_gets_a_new_one(nodes):
    from TrustSegModule.review.decisions import Review

    nodes.segmentation.RemoveAttribute("TrustSeg.Review")
    nodes.segmentation.RemoveAttribute("TrustSeg.AuditLog")
    review = Review(nodes.segmentation)
    assert not review.revealed
    assert review.automatic == review.current
