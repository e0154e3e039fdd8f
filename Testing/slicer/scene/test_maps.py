"""The colors of the maps are those of matplotlib, and those of the library's own pictures."""

from __future__ import annotations

import make_color_tables
import numpy as np
import pytest

pytest.importorskip("slicer")


@pytest.mark.parametrize("name", make_color_tables.SOURCES)
def test_color_tables_equal_the_generated_ones(application, name):
    from TrustSegModule.scene.maps import COLOR_TABLE_FOLDER

    assert (COLOR_TABLE_FOLDER / f"{name}.txt").read_text("utf-8") == make_color_tables.table_text(name)


def test_each_color_map_has_a_file(application):
    from TrustSegModule.scene import maps

    assert set(maps.COLOR_MAPS) == {path.stem for path in maps.COLOR_TABLE_FOLDER.glob("*.txt")}
    assert maps.COLOR_MAPS[0] == "Inferno"


def test_default_colors_equal_those_of_the_report(application):
    from TrustSegLib.report.scale import uncertainty_colormap
    from TrustSegModule.scene.maps import read_colors

    expected = uncertainty_colormap()(np.arange(256))[:, :3]
    np.testing.assert_allclose(read_colors("Inferno"), expected, atol=0.5 / 255)


def test_node_has_the_colors_of_its_file(scene):
    from TrustSegModule.scene.maps import color_table, read_colors

    node = color_table(scene, "Viridis")
    found = [node.GetLookupTable().GetTableValue(index) for index in range(256)]
    np.testing.assert_allclose(found, np.hstack([read_colors("Viridis"), np.ones((256, 1))]), atol=1 / 255)


def test_maps_share_a_color_table(scene):
    from TrustSegModule.scene.maps import color_table

    before = scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    assert color_table(scene, "Grey") is color_table(scene, "Grey")
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == before + 1


def test_unknown_color_map_is_refused(scene):
    from TrustSegModule.scene.maps import color_table

    with pytest.raises(ValueError, match="choose from Inferno"):
        color_table(scene, "Jet")
