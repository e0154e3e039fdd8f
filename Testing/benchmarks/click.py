"""`make bench`: from the click on Segment to the overlay in the scene, in the real panel.

Without an option, on the sample image with a warm worker, as it is from the second click on. With ``--size``,
on an image of that size: for how long each stage of a first and of a second run holds the panel's event loop.
Writes ``click.json`` and ``click.md``; what the other kind of run has written there stays.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing" / "harness")]
sys.path.append(str(ROOT / "TrustSeg"))

PARTS = {
    "hand over to the worker": "from the click until the request is sent",
    "worker": "network and maps in the worker, by its own clock",
    "into the scene": "segmentation and volume nodes, overlay, legend, table",
    "waiting": "the rest: pipes, files, the timer's 50 ms",
}
STAGES = {
    "hand-over": "the click: the image's file is written",
    "run": "progress comes, then the answer's files are read",
    "result": "voxels copied piece by piece, nodes, overlay, legend, table",
}
REGION_VOXELS = (40, 56, 40)
"""What the network sees of a large image, one patch: the whole would take it minutes. Hand-over and result
are those of the whole."""


def click(panel) -> dict[str, float]:
    """Click on Segment, wait for the overlay, and return seconds: by part, the whole, the longest blocks."""
    import slicer

    start = time.perf_counter()
    panel.ui.segmentButton.click()
    handed_over = time.perf_counter() - start
    session, blocks, last = panel.widget.session, {"hand-over": handed_over, "run": 0.0, "result": 0.0}, 0.0
    placed = 0.0
    while session.busy:
        stage, before = "result" if session.placing else "run", time.perf_counter()
        slicer.app.processEvents()
        last = time.perf_counter() - before
        stage = stage if session.busy else "result"
        blocks[stage] = max(blocks[stage], last)
        placed += last if stage == "result" else 0.0
        time.sleep(0.001)
    total = time.perf_counter() - start
    worker = sum(_report(panel)["provenance"]["times"].values())
    parts = [handed_over, worker, placed, total - handed_over - worker - placed]
    taken = {**dict(zip(PARTS, parts, strict=True)), "total": total}
    return {**taken, "longest block": max(blocks.values()), "blocks": blocks}


def _report(panel) -> dict:
    logic = panel.widget.logic
    return logic.reportAndColors(logic.resultsOf(panel.widget.parameters.inputVolume))[0]


@contextlib.contextmanager
def opened_panel() -> Iterator:
    """Open the panel; there is no image yet."""
    from application import Application

    application = Application()
    from qt_stand_ins.installation import install

    install(application)
    from qt_stand_ins.panel import open_panel

    for name in ("Red", "Yellow", "Green"):
        application.slice_view(name)
    with open_panel(ROOT / "TrustSeg" / "TrustSeg.py") as panel:
        yield panel
    application.close()


def load_sample():
    """Load the sample image as a person does."""
    import slicer
    from scene_samples import IMAGE

    return slicer.util.loadVolume(str(IMAGE))


def load_large(size: tuple[int, int, int]):
    """Close the scene and load an image of 16 bits, as CT has: the sample, side by side with itself."""
    import numpy as np
    import slicer

    slicer.mrmlScene.Clear(0)
    image = load_sample()
    voxels, shape = slicer.util.arrayFromVolume(image).astype(np.int16), size[::-1]
    times = [-(-wanted // there) for wanted, there in zip(shape, voxels.shape, strict=True)]
    whole = np.tile(voxels, times)[tuple(map(slice, shape))]
    slicer.util.updateVolumeFromArray(image, np.ascontiguousarray(whole))
    return image


def measure(rounds: int) -> list[dict[str, float]]:
    """Click once to warm up, then `rounds` times."""
    with opened_panel() as panel:
        load_sample()
        click(panel)
        return [click(panel) for _ in range(rounds)]


def measure_large(size: tuple[int, int, int], rounds: int) -> list[dict[str, dict[str, float]]]:
    """Longest blocks by stage of a first run, and of a second that replaces its result, `rounds` times."""
    taken = []
    with opened_panel() as panel:
        for _ in range(rounds):
            panel.widget.parameters.region = _region(load_large(size))
            taken.append({run: click(panel)["blocks"] for run in ("first", "second")})
    return taken


def _region(image):
    """A box in the middle of the image."""
    import numpy as np
    import slicer

    bounds = np.zeros(6)
    image.GetRASBounds(bounds)
    region = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "middle")
    region.SetCenterWorld(*(bounds[::2] + bounds[1::2]) / 2)
    region.SetSizeWorld(*(voxels * mm for voxels, mm in zip(REGION_VOXELS, image.GetSpacing(), strict=True)))
    return region


def table(taken: list[dict[str, float]]) -> str:
    """Medians over the rounds as a Markdown table, in milliseconds."""
    lines = ["| part | ms | what |", "|---|---|---|"]
    explained = {
        **PARTS,
        "total": "click to overlay in the scene",
        "longest block": "longest time that the panel's event loop was held",
    }
    for name, what in explained.items():
        lines.append(f"| {name} | {1000 * statistics.median(run[name] for run in taken):.0f} | {what} |")
    return "\n".join(lines) + "\n"


def large_table(size: list[int], taken: list[dict[str, dict[str, float]]]) -> str:
    """Longest block of each stage as a Markdown table, in milliseconds: best and worst of the rounds."""
    title = f"Longest time that the event loop was held, image of {' x '.join(map(str, size))} voxels, "
    lines = [
        f"{title}{len(taken)} rounds:\n",
        "| stage | run | best ms | worst ms | what |",
        "|---|---|---|---|---|",
    ]
    for stage, what in STAGES.items():
        for run in ("first", "second"):
            held = [1000 * each[run][stage] for each in taken]
            lines.append(f"| {stage} | {run} | {min(held):.0f} | {max(held):.0f} | {what} |")
    return "\n".join(lines) + "\n"


def write(folder: Path, found: dict) -> str:
    """Add what was found to the folder's `click.json` and return the tables, which `click.md` gets."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "click.json"
    known = {**(json.loads(kept.read_text("utf-8")) if kept.exists() else {}), **found}
    tables = [table(known["sample"])] if "sample" in known else []
    tables += [large_table(**known["large"])] if "large" in known else []
    kept.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    (folder / "click.md").write_text("\n".join(tables), encoding="utf-8")
    return "\n".join(tables)


def main() -> None:
    """Measure, print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("Testing/benchmarks/results"))
    parser.add_argument("--rounds", type=int, help="default: 9, with --size 2")
    parser.add_argument("--size", type=int, nargs=3, metavar=("X", "Y", "Z"), help="voxels of a large image")
    options = parser.parse_args()
    if options.size is None:
        found = {"sample": measure(options.rounds or 9)}
    else:
        taken = measure_large(tuple(options.size), options.rounds or 2)
        found = {"large": {"size": options.size, "taken": taken}}
    print(write(options.output, found))


if __name__ == "__main__":
    main()
