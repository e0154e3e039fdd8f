"""The pictures of the README are what the module draws now."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
from PIL import Image
from source_tree import ROOT

PICTURES = ROOT / "Testing" / "pictures"
LARGEST_DIFFERENCE = 3.0
"""Mean over the pixels, of 255: another version of torch may move a voxel."""


@pytest.fixture(scope="module")
def written(slicer_application, application, tmp_path_factory):
    from module_pictures import THUMBNAIL, write_pictures

    folder = tmp_path_factory.mktemp("pictures")
    application.clear()
    write_pictures(application, folder, folder / THUMBNAIL.name)
    yield folder
    application.clear()


@pytest.mark.parametrize("path", [PICTURES / "slicer-views.png", "thumbnail"], ids=["views", "thumbnail"])
def test_pictures_of_the_readme_are_up_to_date(written, path):
    from module_pictures import THUMBNAIL

    path = THUMBNAIL if path == "thumbnail" else path
    committed, now = (np.asarray(Image.open(each), float) for each in (path, written / path.name))
    assert committed.shape == now.shape
    assert np.abs(committed - now).mean() < LARGEST_DIFFERENCE, f"{path.name}: run make pictures"


def test_the_panel_is_pictured_light_and_dark(written):
    panel = np.asarray(Image.open(written / "slicer-panel.png"), float)
    light, dark = np.array_split(panel, 2, axis=1)
    assert np.median(light) > 200
    assert np.median(dark) < 80
    # Text and widgets: neither half is one flat color.
    assert min(light.std(), dark.std()) > 15
