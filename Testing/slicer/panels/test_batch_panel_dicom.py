"""The section "Batch" with a folder of DICOM series: all are segmented, named apart, and open for review."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("slicer")
import slicer
from batch_runs import names_in_order, open_case, start, wait_for_end
from batch_samples import SCOUT, SERIES, leftovers, make_export, read_cases, voxels
from panel_runs import ERROR_MAP, PANEL, mask, node_names
from review_runs import cells

pytestmark = pytest.mark.usefixtures("slicer_application", "scene", "shared_worker")
CASES = ["p1_2024_T1", "p2_2024_T1"]


@pytest.fixture
def batch_panel():
    """The panel, opened in an empty scene."""
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Series of two patients, of which one is no image."""
    return make_export(tmp_path_factory.mktemp("batch é") / "export")


def test_every_series_is_segmented_named_and_opened(batch_panel, export, tmp_path):
    output = tmp_path / "results"
    start(batch_panel, export, output)
    texts = []
    while batch_panel.widget.batch.busy:
        slicer.app.processEvents()
        texts.append(batch_panel.ui.batchLabel.text)
    wait_for_end(batch_panel)
    assert any(text.startswith("Image 1 of 3: p1/2024/T1") for text in texts)
    assert sorted(os.listdir(output)) == sorted(
        ["cases.csv", "cases.json", "index.html", "structures.csv", *CASES]
    )
    assert not leftovers(output)
    ui, rows = batch_panel.ui, read_cases(output)
    assert ui.batchLabel.text.startswith("3 images, 1 failed.")
    names = names_in_order(batch_panel)
    assert names == [os.path.relpath(row["image"], export) for row in rows]
    assert names[0] == SCOUT
    assert sorted(names[1:]) == sorted(SERIES)
    first, *_others = cells(ui.batchTable)
    assert "\na DICOM series of one slice" in first[0], "the reason is missing, or has the whole path"
    assert rows[1]["quality"] <= rows[2]["quality"]

    # Now, and from the list that an earlier batch has left.
    check_opened(batch_panel, export, output, SERIES[0], CASES[0])
    ui.batchOutputEdit.currentPath = str(tmp_path)
    ui.batchOutputEdit.currentPath = str(output)
    assert names_in_order(batch_panel) == names
    check_opened(batch_panel, export, output, SERIES[1], CASES[1])
    before = node_names()
    again, _nodes = open_case(batch_panel, SERIES[0])
    assert again.GetName() == CASES[0]
    assert node_names() == before


def check_opened(panel, export, output, name: str, case: str) -> None:
    """Open a case; image, mask and map are in the scene where the series lies, as Slicer reads it itself."""
    image, nodes = open_case(panel, name)
    assert image.GetName() == case
    assert f"Opened {name}." in panel.ui.statusLabel.text
    np.testing.assert_array_equal(mask(nodes.segmentation), voxels(output / case / "mask.nii.gz"))
    assert mask(nodes.segmentation).any()
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(nodes.maps[ERROR_MAP]), voxels(output / case / "uncertainty.nii.gz")
    )
    files = {path.name: path for path in (export / name).iterdir()}
    for node in (image, nodes.maps[ERROR_MAP]):
        for number in (0, 11):
            place, slice_ = slice_of(files[f"{number}.dcm"])
            index = np.linalg.inv(ijk_to_ras(node)) @ place
            np.testing.assert_allclose(index[:3], np.rint(index[:3]), atol=1e-3)
            if node is image:
                i, j, k = np.rint(index[:3]).astype(int)
                assert (i, j) == (0, 0)
                np.testing.assert_array_equal(slicer.util.arrayFromVolume(image)[k], slice_)


def slice_of(path) -> tuple[np.ndarray, np.ndarray]:
    """Where the first pixel of a slice lies, RAS mm and 1, and the slice, by pydicom."""
    import pydicom

    data = pydicom.dcmread(path)
    return np.array([*data.ImagePositionPatient, 1.0]) * (-1, -1, 1, 1), data.pixel_array


def ijk_to_ras(node) -> np.ndarray:
    from TrustSegModule.scene import geometry

    return geometry.ijk_to_ras(node)


def test_slices_of_one_series_are_no_batch(batch_panel, export, tmp_path, dialogs):
    dialogs.answer("Ok", to="holds the slices of one image; load it and click Segment")
    start(batch_panel, export / SERIES[0], tmp_path / "results")
    wait_for_end(batch_panel)
    assert not (tmp_path / "results").exists()


def test_cases_are_named_by_their_path_below_the_shared_folder():
    from TrustSegModule.results.cases import names_of

    assert list(names_of(["/study/a.nii.gz", "/study/b.nrrd"]).values()) == ["a.nii.gz", "b.nrrd"]
    assert list(names_of(["/study/p1/T1"]).values()) == ["T1"]
    assert list(names_of(["/study/p1/T1", "/study/p2/T2"]).values()) == ["p1/T1", "p2/T2"]
    assert list(names_of(["/study/p1", "/study/p1/late"]).values()) == ["p1", "p1/late"]
    assert list(names_of(["study/a.nii", "/other/b.nii"]).values()) == ["study/a.nii", "/other/b.nii"]
    assert names_of([]) == {}
