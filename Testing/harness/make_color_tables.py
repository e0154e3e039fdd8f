"""Write the color tables of the Slicer module: `python make_color_tables.py`.

The first is the color ramp of `TrustSegLib.contract`, the others are matplotlib's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps

from TrustSegLib.contract import COLOR_COUNT, map_colors

FOLDER = Path(__file__).resolve().parents[2] / "TrustSeg" / "Resources" / "ColorTables"
# Name, color map of matplotlib (None: our own), and where in it the table begins: the dark end is lost on a
# dark image.
SOURCES = {
    "Inferno": (None, 0.0),
    "Viridis": ("viridis", 0.0),
    "Cividis": ("cividis", 0.0),
    "Magma": ("magma", 0.22),
    "Grey": ("gray", 0.22),
    "Rainbow": ("turbo", 0.0),
}


def table_text(name: str) -> str:
    """Return a table in the format of Slicer: index, name, and red, green, blue, opacity from 0 to 255."""
    source, start = SOURCES[name]
    if source is None:
        title, colors = f"{COLOR_COUNT} colors of every TrustSeg picture", map_colors()
    else:
        share = f", from {start:.0%} of it" if start else ""
        title = f"{COLOR_COUNT} colors of matplotlib's '{source}'{share}"
        colors = np.rint(colormaps[source](np.linspace(start, 1, COLOR_COUNT))[:, :3] * 255).astype(int)
    head = [f"# {title}", "# index name red green blue opacity"]
    rows = [f"{index} {index} {red} {green} {blue} 255" for index, (red, green, blue) in enumerate(colors)]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    for name in SOURCES:
        (FOLDER / f"{name}.txt").write_text(table_text(name), encoding="utf-8")
