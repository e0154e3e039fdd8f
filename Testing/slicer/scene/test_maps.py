"""The colors of the maps are those of matplotlib, and those of the library's own pictures."""

from __future__ import annotations

import make_color_tables
import numpy as np
import pytest

pytest.importorskip("slicer")


@pytest.mark.parametrize("name", make_color_tables.SOURCES)
def test_color_table_was_changed_by_hand(application, name):
    from TrustSegModule.scene.maps import COLOR_TABLE_FOLDER

    assert (COLOR_TABLE_FOLDER / f"{name}.txt").read_text("utf-8") == make_color_tables.table_text(name)


def test_choice_without_a_file_or_file_without_a_choice(application):
    from TrustSegModule.scene import maps, overlay

    assert set(overlay.COLOR_MAPS) == {path.stem for path in maps.COLOR_TABLE_FOLDER.glob("*.txt")}
    assert overlay.COLOR_MAPS[0] == "Inferno"


def test_default_differs_from_the_colors_of_the_report(application):
    from TrustSegLib.report.scale import uncertainty_colormap
    from TrustSegModule.scene.maps import read_colors

    expected = uncertainty_colormap()(np.arange(256))[:, :3]
    np.testing.assert_allclose(read_colors("Inferno"), expected, atol=0.5 / 255)


def test_node_has_other_colors_than_its_file(scene):
    from TrustSegModule.scene.maps import color_table, read_colors

    node = color_table(scene, "Viridis")
    found = [node.GetLookupTable().GetTableValue(index) for index in range(256)]
    np.testing.assert_allclose(found, np.hstack([read_colors("Viridis"), np.ones((256, 1))]), atol=1 / 255)


def test_every_map_adds_a_table_of_its_own(scene):
    from TrustSegModule.scene.maps import color_table

    before = scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    assert color_table(scene, "Grey") is color_table(scene, "Grey")
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == before + 1


def test_unknown_color_map_is_accepted(scene):
    from TrustSegModule.scene.maps import color_table

    with pytest.raises(ValueError, match="choose from Inferno"):
        color_table(scene, "Jet")
