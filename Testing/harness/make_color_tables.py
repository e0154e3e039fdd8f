"""Write the color tables of the Slicer module from matplotlib's color maps: `python make_color_tables.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps

FOLDER = Path(__file__).resolve().parents[2] / "TrustSeg" / "Resources" / "ColorTables"
# Name, color map of matplotlib, and where in it the table begins: the dark end is lost on a dark image.
SOURCES = {
    "Inferno": ("inferno", 0.22),
    "Viridis": ("viridis", 0.0),
    "Cividis": ("cividis", 0.0),
    "Magma": ("magma", 0.22),
    "Grey": ("gray", 0.22),
    "Rainbow": ("turbo", 0.0),
}
COLORS = 256


def table_text(name: str) -> str:
    """Return a table in the format of Slicer: index, name, and red, green, blue, opacity from 0 to 255."""
    source, start = SOURCES[name]
    colors = np.rint(colormaps[source](np.linspace(start, 1, COLORS))[:, :3] * 255).astype(int)
    share = f", from {start:.0%} of it" if start else ""
    head = [f"# {COLORS} colors of matplotlib's '{source}'{share}", "# index name red green blue opacity"]
    rows = [f"{index} {index} {red} {green} {blue} 255" for index, (red, green, blue) in enumerate(colors)]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    for name in SOURCES:
        (FOLDER / f"{name}.txt").write_text(table_text(name), encoding="utf-8")
