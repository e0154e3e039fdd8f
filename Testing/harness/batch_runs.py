"""Actions of the user in the section "Batch", with the panel in a window and a real worker."""

from __future__ import annotations

from pathlib import Path

from panel_runs import results, wait_until
from review_runs import cells, double_click_row


def start(panel, images: Path, output: Path) -> None:
    """Choose the folders and click Start batch."""
    panel.ui.batchSection.collapsed = False
    panel.ui.batchImagesEdit.currentPath = str(images)
    panel.ui.batchOutputEdit.currentPath = str(output)
    assert panel.ui.batchButton.enabled
    panel.ui.batchButton.click()


def wait_for_end(panel) -> None:
    """Wait until the batch is over."""
    wait_until(lambda: not panel.widget.batch.busy)


def names_in_order(panel) -> list[str]:
    """The names of the cases in the list."""
    return [row[0].split("\n")[0] for row in cells(panel.ui.batchTable)]


def open_case(panel, name: str):
    """Double-click a case, wait for it, and return image and nodes."""
    double_click_row(panel.ui.batchTable, names_in_order(panel).index(name))
    wait_until(lambda: not panel.widget.session.busy and panel.ui.segmentButton.text == "Segment")
    image = panel.widget.parameters.inputVolume
    return image, results(image)
