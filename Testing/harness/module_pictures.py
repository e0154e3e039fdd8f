"""Pictures of the module for the documentation (`make pictures`): the panel is clicked, the worker runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import numpy as np
from application import Application
from PIL import Image
from scene_samples import IMAGE
from source_tree import ROOT

MODULE = ROOT / "TrustSeg" / "TrustSeg.py"
PICTURES = ROOT / "Testing" / "pictures"
THUMBNAIL = IMAGE.parent / "hippocampus_223.png"
VIEW_SIZE = (560, 480)
THUMBNAIL_SIZE = (260, 280)
PANEL_WIDTH = 430
GAP = 4


def write_pictures(application: Application, folder: Path, thumbnail: Path) -> None:
    """Segment the sample in the panel and picture the views and the panel.

    Parameters
    ----------
    application : Application
        With the Qt stand-ins installed and an empty scene.
    folder : Path
        Where `slicer-views.png` and `slicer-panel.png` go.
    thumbnail : Path
        Where the picture of the sample image goes.
    """
    views = [application.slice_view(name) for name in ("Red", "Yellow", "Green")]
    three_d = application.three_d_view()
    panels = [_segment_and_picture("light", views, three_d, folder, thumbnail), _picture_again("dark")]
    height = max(len(panel) for panel in panels)
    filled = [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), mode="edge") for panel in panels]
    _save(np.hstack(filled), folder / "slicer-panel.png")


def _segment_and_picture(appearance: str, views, three_d, folder: Path, thumbnail: Path) -> np.ndarray:
    import slicer
    from qt_stand_ins.panel import open_panel, wait_until

    slicer.util.loadVolume(str(IMAGE))
    with open_panel(MODULE, appearance) as panel:
        panel.ui.segmentButton.click()
        wait_until(lambda: panel.ui.resultsTable.rowCount > 0 and not panel.ui.progressBar.visible)
        panel.ui.show3DCheckBox.click()
        panel.ui.color3DCheckBox.click()
        _save(_four_views(views, three_d), folder / "slicer-views.png")
        panel.ui.showOverlayCheckBox.click()
        _save(_view(views[1], THUMBNAIL_SIZE), thumbnail)
        panel.ui.showOverlayCheckBox.click()
        return panel.grab(width=PANEL_WIDTH)


def _picture_again(appearance: str) -> np.ndarray:
    """The result is in the scene: a new panel finds it."""
    from qt_stand_ins.panel import open_panel

    with open_panel(MODULE, appearance) as panel:
        return panel.grab(width=PANEL_WIDTH)


def _four_views(views, three_d) -> np.ndarray:
    red, yellow, green = (_view(view, VIEW_SIZE) for view in views)
    solid = _three_d(three_d)
    tall, wide = (
        np.zeros((VIEW_SIZE[1], GAP, 3), np.uint8),
        np.zeros((GAP, 2 * VIEW_SIZE[0] + GAP, 3), np.uint8),
    )
    return np.vstack([np.hstack([red, tall, solid]), wide, np.hstack([yellow, tall, green])])


def _view(view, size: tuple[int, int]) -> np.ndarray:
    with _resized(view, size):
        view.fit()
        return view.grab()


def _three_d(view) -> np.ndarray:
    with _resized(view, VIEW_SIZE), _without_box(view.node):
        camera = view.renderer.GetActiveCamera()
        camera.SetPosition(400, 100, 250)
        camera.SetViewUp(0, 0, 1)
        view.renderer.ResetCamera()
        return view.grab()


@contextmanager
def _resized(view, size: tuple[int, int]) -> Iterator[None]:
    """The views are shared by all tests."""
    before, view.size = view.size, size
    view.render_window.SetSize(*size)
    yield
    view.size = before
    view.render_window.SetSize(*before)


@contextmanager
def _without_box(node) -> Iterator[None]:
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    yield
    node.SetBoxVisible(True)
    node.SetAxisLabelsVisible(True)


def _save(pixels: np.ndarray, path: Path) -> None:
    Image.fromarray(pixels).save(path, optimize=True)


def main() -> None:
    """Write the pictures into the repository."""
    sys.path.append(str(MODULE.parent))
    application = Application()
    from qt_stand_ins.installation import install

    install(application)
    write_pictures(application, PICTURES, THUMBNAIL)
    application.close()


if __name__ == "__main__":
    main()
