"""A click on Segment with a whole head: four segments, left and right named, where AAL has the hippocampi."""

from __future__ import annotations

import heads
import numpy as np
import pytest

pytest.importorskip("slicer")
from panel_runs import load_image, mask, results, segment, start, wait_for_end

NAMES = [f"{side} {part} hippocampus" for side in ("Left", "Right") for part in ("anterior", "posterior")]


@pytest.fixture(scope="module")
def ch2():
    return heads.TEMPLATES / "ch2.nii.gz"


@pytest.fixture
def head(panel, ch2):
    """The head in the scene, chosen in the panel."""
    node = load_image(ch2)
    panel.ui.inputSelector.setCurrentNode(node)
    return node


def test_both_hippocampi_are_named_by_side_where_aal_has_them(panel, head):
    segment(panel)
    nodes = results(head)
    segments = nodes.segmentation.GetSegmentation()
    found = [segments.GetNthSegment(index).GetName() for index in range(segments.GetNumberOfSegments())]
    assert found == NAMES
    for label, name in enumerate(NAMES, start=1):
        assert terminology(segments, label - 1).endswith(f"^{name.split()[0]}")
    labels, aal = mask(nodes.segmentation), heads.aal().array[0]
    for side, (first, region) in {"Left": (1, 37), "Right": (3, 38)}.items():
        own = np.isin(labels, (first, first + 1))
        assert own.any(), side
        assert (aal[own] == region).mean() > 0.75, side
    table = panel.ui.resultsTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == NAMES


def terminology(segments, index: int) -> str:
    """Text of a segment's terminology, with the names of its codes."""
    import vtk

    text = vtk.mutable("")
    segments.GetNthSegment(index).GetTag("TerminologyEntry", text)
    return str(text)


def test_cancel_of_the_search_leaves_the_scene_as_it_was(panel, head):
    start(panel)
    assert panel.ui.statusLabel.text.startswith("Finding the anatomy")
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert results(head) is None
