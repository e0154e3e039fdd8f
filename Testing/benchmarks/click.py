"""`make bench`: from the click on Segment to the overlay in the scene, in the real panel on the sample image.

The worker is warm, as it is from the second click on. Writes ``click.json`` and ``click.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
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


def click(panel) -> dict[str, float]:
    """Click on Segment, wait for the overlay, and return seconds by part, the whole and the longest block."""
    import slicer

    longest, start = 0.0, time.perf_counter()
    panel.ui.segmentButton.click()
    handed_over = time.perf_counter() - start
    while panel.widget.session.busy:
        before = time.perf_counter()
        slicer.app.processEvents()
        last = time.perf_counter() - before
        longest = max(longest, last)
        time.sleep(0.001)
    total = time.perf_counter() - start
    worker = sum(_report(panel)["provenance"]["times"].values())
    parts = [handed_over, worker, last, total - handed_over - worker - last]
    return {
        **dict(zip(PARTS, parts, strict=True)),
        "total": total,
        "longest block": max(longest, handed_over),
    }


def _report(panel) -> dict:
    logic = panel.widget.logic
    return logic.reportAndColors(logic.resultsOf(panel.widget.parameters.inputVolume))[0]


def measure(rounds: int) -> list[dict[str, float]]:
    """Open the panel, click once to warm up, then `rounds` times."""
    from application import Application

    application = Application()
    from qt_stand_ins.installation import install

    install(application)
    import slicer
    from qt_stand_ins.panel import open_panel
    from scene_samples import IMAGE

    for name in ("Red", "Yellow", "Green"):
        application.slice_view(name)
    slicer.util.loadVolume(str(IMAGE))
    with open_panel(ROOT / "TrustSeg" / "TrustSeg.py") as panel:
        click(panel)
        taken = [click(panel) for _ in range(rounds)]
    application.close()
    return taken


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


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("Testing/benchmarks/results"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    taken = measure(options.rounds)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "click.json").write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
    (options.output / "click.md").write_text(table(taken), encoding="utf-8")
    print(table(taken))


if __name__ == "__main__":
    main()
