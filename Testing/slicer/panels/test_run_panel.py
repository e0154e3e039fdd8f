"""A click on Segment: the result equals the command line, and its progress is shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import (
    ERROR_MAP,
    large_image,
    load_image,
    mask,
    node_names,
    results,
    segment,
    start,
    ticking,
    wait_for_end,
    wait_until,
)
from scene_samples import IMAGE
from source_tree import ROOT


@pytest.fixture(scope="module")
def command_line(tmp_path_factory) -> SimpleNamespace:
    """Mask, map and report of the command line on the sample image."""
    import SimpleITK as sitk

    folder: Path = tmp_path_factory.mktemp("command line")
    command = [sys.executable, "-m", "TrustSegLib", "segment", str(IMAGE), "-o", str(folder), "--quiet"]
    subprocess.run(command, check=True, cwd=ROOT)

    def read(name: str) -> np.ndarray:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name)))

    report = json.loads((folder / "report.json").read_text("utf-8"))
    return SimpleNamespace(
        mask=read("mask.nii.gz"), error=read("uncertainty.nii.gz"), report=report, path=folder
    )


def table(panel) -> list[list[str]]:
    widget = panel.ui.resultsTable
    return [[widget.item(row, column).text() for column in range(3)] for row in range(widget.rowCount)]


def test_result_equals_the_command_line(panel, image, command_line):
    segment(panel)
    nodes = results(image)
    np.testing.assert_array_equal(mask(nodes.segmentation), command_line.mask)
    # Not bit for bit: on a busy machine, threads of two processes may add up in another order.
    error = slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP])
    np.testing.assert_allclose(error, command_line.error, rtol=0, atol=1e-5)
    assert table(panel) == [
        [row["name"], f"{row['volume_ml']:.2f}", f"{100 * row['mean_uncertainty']:.1f}"]
        for row in command_line.report["structures"]
    ]
    assert not panel.ui.resultsSection.isHidden()


@pytest.fixture
def seen(crops_only, panel, monkeypatch) -> list[SimpleNamespace]:
    """How the panel looked after the click, at each report of progress, and at the end."""
    ui, moments = panel.ui, []
    ui.inputSelector.setCurrentNode(large_image(4, 1, 1))

    def look() -> SimpleNamespace:
        return SimpleNamespace(
            button=ui.segmentButton.text,
            enabled=ui.segmentButton.enabled,
            locked=not ui.inputSection.enabled,
            progress=ui.progressBar.value,
            shown=not ui.progressBar.isHidden(),
            text=ui.statusLabel.text,
        )

    show_progress = panel.widget.runPanel.show_progress

    def show_and_look(event) -> None:
        show_progress(event)
        moments.append(look())

    monkeypatch.setattr(panel.widget.runPanel, "show_progress", show_and_look)
    ui.segmentButton.click()
    moments.append(look())
    wait_for_end(panel)
    return [*moments, look()]


def test_progress_is_shown_during_a_run(seen):
    *running, end = seen
    assert {moment.button for moment in running} == {"Cancel"}
    assert all(moment.enabled and moment.locked and moment.shown for moment in running)
    progress = [moment.progress for moment in running]
    assert progress == sorted(progress)
    assert progress[-1] > 500
    texts = [moment.text for moment in running]
    assert any(text.startswith("Segmenting: ") for text in texts)
    assert any(re.search(r"about \d+ (s|min) left$", text) for text in texts)
    assert (end.button, end.enabled, end.locked, end.shown) == ("Segment", True, False, False)
    assert end.text.startswith("Done in ")


@pytest.mark.usefixtures("crops_only")
def test_event_loop_runs_during_a_run(panel):
    """A timer that is always due ticks while the worker segments; the benchmark measures the gaps."""
    panel.ui.inputSelector.setCurrentNode(large_image(3, 3, 3))
    start(panel)
    with ticking(panel.widget.session) as ticks:
        wait_until(lambda: len(ticks) > 10)
    assert all(ticks), "the event loop was held until the result came"


def test_views_jump_to_the_mask_after_the_first_run(panel, image, application):
    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    for view in views:
        view.fit()
        view.jump_to((500.0, 500.0, 500.0))
    segment(panel)
    labels = mask(results(image).segmentation)
    # Along the patient's axes, which are those of the sample: the view lies on a voxel of the mask.
    places = [round(index_in_slice(image, view)) for view in views]
    k, i, j = places
    assert labels[k, j, i] > 0
    views[0].node.SetSliceOffset(21.5)
    segment(panel)
    assert views[0].node.GetSliceOffset() == 21.5, "the second run took the reader away from his slice"


class DicomDatabase:
    """Slicer's DICOM database, which the test packages do not have: of one instance."""

    isOpen = True

    def __init__(self, **values: str) -> None:
        self._values = values

    def instanceValue(self, instance: str, tag: str) -> str:
        assert instance == "1.2.3"
        return {"0008,0060": self._values["modality"], "0018,0015": self._values["body_part"]}[tag]


def test_auto_names_the_model_that_was_chosen_and_why(panel):
    assert panel.ui.modelSelector.currentText == "Auto (the one that fits the image)"
    segment(panel)
    _done, reason = panel.ui.statusLabel.text.split("\n")
    assert reason.startswith("hippocampus-t1: chosen because it fits the image: intensities as in MR")


def test_image_that_no_model_fits_by_its_dicom_header_is_not_segmented(panel, image, dialogs, monkeypatch):
    database = DicomDatabase(modality="US", body_part="")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    image.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    dialogs.answer("Ok", to="no model fits this image")
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert "hippocampus-t1 is for MR, the image is US by its header" in panel.ui.statusLabel.text
    assert results(image) is None


def index_in_slice(image, view) -> float:
    """Index along the normal of a view at which the view cuts the image."""
    from TrustSegModule.scene.geometry import ijk_to_ras

    to_ras = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
    index = np.linalg.inv(ijk_to_ras(image)) @ to_ras[:, 3]
    return index[np.argmax(np.abs(to_ras[:3, 2]))]


def test_each_image_keeps_its_result(panel, image, shared_worker, application):
    segment(panel)
    process, first, rows = shared_worker.pid, results(image), table(panel)
    before = mask(first.segmentation).copy()
    other = load_image(name="second")
    voxels = slicer.util.arrayFromVolume(other)[:, ::-1].copy()
    slicer.util.updateVolumeFromArray(other, voxels)
    panel.ui.inputSelector.setCurrentNode(other)
    assert panel.ui.resultsSection.isHidden(), "a result is shown that this image does not have"
    assert panel.ui.statusLabel.text == ""
    segment(panel)
    second = results(other)
    assert second.segmentation.GetName() == "second TrustSeg"
    assert not set(first.all) & set(second.all)
    np.testing.assert_array_equal(mask(results(image).segmentation), before)
    assert shared_worker.pid == process
    assert table(panel) != rows
    assert shown_maps(application) == {second.maps[ERROR_MAP].GetID()}
    assert shown_masks(first, second) == [False, True], "the mask of another image lies over this one"
    panel.ui.inputSelector.setCurrentNode(image)
    assert table(panel) == rows
    assert shown_maps(application) == {first.maps[ERROR_MAP].GetID()}, "numbers and pictures differ"
    assert shown_masks(first, second) == [True, False]
    assert panel.ui.showOverlayCheckBox.checked


def shown_masks(*nodes) -> list[bool]:
    return [bool(each.segmentation.GetDisplayNode().GetVisibility()) for each in nodes]


def shown_maps(application) -> set[str]:
    """What lies over the image in the slice views."""
    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    return {view.composite.GetForegroundVolumeID() for view in views}


def test_choosing_an_image_keeps_the_map_hidden(panel, image, application):
    segment(panel)
    panel.press("U")
    other = load_image(name="second")
    panel.ui.inputSelector.setCurrentNode(other)
    panel.ui.inputSelector.setCurrentNode(image)
    assert shown_maps(application) == {None}, "what was hidden is shown"


def test_display_settings_apply_to_the_next_image(panel):
    """Settings of the panel are settings, and not those of one image."""
    segment(panel)
    panel.ui.outlineCheckBox.click()
    panel.ui.opacitySlider.setValue(80)
    panel.ui.colorMapSelector.setCurrentIndex(panel.ui.colorMapSelector.findData("Viridis"))
    other = load_image(name="second")
    panel.ui.inputSelector.setCurrentNode(other)
    segment(panel)
    nodes = results(other)
    assert nodes.segmentation.GetDisplayNode().GetVisibility2DFill()
    assert nodes.maps[ERROR_MAP].GetDisplayNode().GetColorNode().GetName() == "TrustSeg Viridis"
    assert panel.ui.opacitySlider.value == 80
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetForegroundOpacity() == 0.8


def test_second_run_reuses_nodes_settings_and_process(panel, image, shared_worker):
    segment(panel)
    process, names, nodes = shared_worker.pid, node_names(), results(image)
    panel.ui.thresholdSlider.setValue(20)
    panel.ui.outlineCheckBox.click()
    segment(panel)
    assert node_names() == names
    assert results(image) == nodes
    assert panel.ui.thresholdSlider.value == 20
    assert nodes.maps[ERROR_MAP].GetDisplayNode().GetLowerThreshold() == pytest.approx(0.2)
    assert nodes.segmentation.GetDisplayNode().GetVisibility2DFill()
    assert shared_worker.pid == process


def test_result_of_an_image_no_longer_chosen_is_kept(panel, image, scene):
    """The chosen image leaves the scene meanwhile: the panel goes on to the next."""
    other = load_image(name="second")
    panel.ui.segmentButton.click()
    panel.widget.parameters.inputVolume = other
    wait_for_end(panel)
    assert results(image) is not None
    assert panel.ui.resultsSection.isHidden()
    assert panel.ui.overlaySection.isHidden()


def test_time_left_is_in_hours_where_minutes_would_be_many(panel):
    from TrustSegLib.worker import Progressed

    panel.widget.session._handle(Progressed("1", "predict", 0.01, 9000.0))
    assert panel.ui.statusLabel.text == "Segmenting: 1 %, about 2.5 h left"


def test_notice_stays_until_the_run_ends(panel):
    """Such as "smaller patches", when the memory of the graphics card runs out."""
    from TrustSegLib.worker import Announced, Progressed

    session = panel.widget.session
    session._handle(Announced("1", "smaller patches"))
    session._handle(Progressed("1", "predict", 0.5, 3.0))
    assert panel.ui.statusLabel.text == "Segmenting: 50 %, about 3 s left\nsmaller patches"
    segment(panel)
    assert "smaller patches" not in panel.ui.statusLabel.text
