"""The colors of an uncertainty map: own tables, which look the same in every Slicer and in every report.

The files hold 256 colors in the format of Slicer's color tables. Inferno, Magma and Grey leave out the dark
end, which would be lost on a dark image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from TrustSegModule.nodes import nodes_of_class

COLOR_MAPS = ("Inferno", "Viridis", "Cividis", "Magma", "Grey", "Rainbow")
"""The first is the default; the others are for eyes and habits that differ."""
ATTRIBUTE = "TrustSeg.ColorMap"
FOLDER = Path(__file__).resolve().parent.parent / "Resources" / "ColorTables"


def color_table(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode:
    """Return the scene's color table of this name; added at the first call.

    Raises
    ------
    ValueError
        The name is not in `COLOR_MAPS`.
    """
    if name not in COLOR_MAPS:
        raise ValueError(f"there is no color map {name!r}; choose from {', '.join(COLOR_MAPS)}")
    for node in nodes_of_class(scene, "vtkMRMLColorTableNode"):
        if node.GetAttribute(ATTRIBUTE) == name:
            return node
    return scene.AddNode(_make_table(name))


def read_colors(name: str) -> np.ndarray:
    """Return the colors of a table as (256, 3) from 0 to 1, lowest value first."""
    return np.loadtxt(FOLDER / f"{name}.txt", usecols=(2, 3, 4)) / 255


def _make_table(name: str) -> slicer.vtkMRMLColorTableNode:
    colors = read_colors(name)
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(f"TrustSeg {name}")
    node.SetAttribute(ATTRIBUTE, name)
    node.SetNumberOfColors(len(colors))
    for index, color in enumerate(colors):
        node.SetColor(index, str(index), *color, 1.0)
    return node
