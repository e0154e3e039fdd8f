"""`make bench`: a whole CT of 512 x 512 x 300 voxels through `trustseg segment`: time, memory, air skipped.

    python Testing/benchmarks/large_ct.py [--model BUNDLE] [--size 512 512 300] [--threads 2]

The command runs in a process of its own. CPU seconds are those of all its threads together: on a machine
that has other work to do, their half is what two idle cores take at best, while the wall clock says nothing.
The CT is drawn: head, neck and shoulders with bone and airways in noisy air, on a couch. Writes
``large_ct.json`` and ``large_ct.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from TrustSegLib.imaging import Volume, write_volume  # noqa: E402

SIZE = (512, 512, 300)
EXTENT_MM = (497.0, 497.0, 600.0)
"""Of the image: voxels of .97 x .97 x 2 mm at the usual size."""
AIR, COUCH, FAT, MUSCLE, BONE, NOISE = -1000.0, -600.0, -90.0, 45.0, 700.0, 12.0
MOST_GB, MOST_MINUTES, CORES = 8.0, 3.0, 2


def draw_ct(size: tuple[int, int, int], seed: int = 0) -> Volume:
    """Draw a CT from the shoulders up, in HU, int16, axes LPS as DICOM has them.

    Parameters
    ----------
    size : tuple of int
        Voxels along x, y, z.
    seed : int
        Of the noise.
    """
    spacing = np.array(EXTENT_MM) / size
    x = (np.arange(size[0]) + 0.5) * spacing[0] - EXTENT_MM[0] / 2
    y = (np.arange(size[1]) + 0.5) * spacing[1] - EXTENT_MM[1] / 2
    random = np.random.default_rng(seed)
    array = np.empty((1, *size[::-1]), dtype=np.int16)
    for index in range(size[2]):
        plane = _plane(x[None], y[:, None], (index + 0.5) * spacing[2])
        array[0, index] = plane + NOISE * random.standard_normal(plane.shape, dtype=np.float32)
    return Volume(array, tuple(spacing), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def _plane(x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
    """HU of an axial plane `z` mm from the feet's end."""
    plane = np.full((y.size, x.size), AIR, dtype=np.float32)
    plane[np.broadcast_to((y > 150) & (y < 170) & (abs(x) < 220), plane.shape)] = COUCH
    width, depth = _body(z)
    if not width:
        return plane
    radius = np.hypot(x / width, y / depth)
    plane[radius < 1] = FAT
    plane[radius < 0.9] = MUSCLE
    if z > 380:  # the skull
        plane[(radius > 0.84) & (radius < 0.92)] = BONE
    plane[np.hypot(x, y - 0.45 * depth) < 14] = BONE  # the spine
    plane[np.hypot(x, y - 0.45 * depth) < 7] = MUSCLE
    if 300 < z < 400:  # the jaw
        plane[(abs(radius - 0.75) < 0.07) & (y < 0)] = BONE
    plane[np.hypot(x, y + 0.1 * depth) < 9] = AIR  # the airways
    return plane


def _body(z: float) -> tuple[float, float]:
    """Half axes of the body in mm: shoulders, neck, head; 0 above it."""
    if z < 220:
        return 205.0, 105.0
    if z < 320:
        return 65.0, 68.0
    height = (z - 430) / 120
    if abs(height) >= 1:
        return 0.0, 0.0
    return 78 * (1 - height**2) ** 0.5, 96 * (1 - height**2) ** 0.5


def segment(image: Path, model: str, folder: Path, threads: int) -> dict[str, object]:
    """Run the command on an image; return wall seconds, CPU seconds, peak GB, and the report's provenance."""
    command = [sys.executable, "-m", "TrustSegLib", "segment", str(image), "-o", str(folder / "out")]
    command += ["--model", model, "--device", "cpu", "--quiet", "--overwrite"]
    # Passive: a thread that waits for another one takes no CPU time.
    waiting = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    environment = {**os.environ, **waiting, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"trustseg segment failed ({status})")
    provenance = json.loads((folder / "out" / "report.json").read_text("utf-8"))["provenance"]
    return {
        "wall_s": time.perf_counter() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_gb": usage.ru_maxrss * 1024 / 1e9,
        "model": Path(model).name,
        **{name: provenance[name] for name in ("times", "patches", "patches_computed")},
    }


def table(size: list[int], taken: dict[str, object]) -> str:
    """Markdown table of one run."""
    return "\n".join(_lines(size, taken)) + "\n"


def _lines(size: list[int], taken: dict[str, object]) -> Iterator[str]:
    minutes, air = taken["cpu_s"] / CORES / 60, taken["patches"] - taken["patches_computed"]
    yield f"CT of {' x '.join(map(str, size))} voxels, `trustseg segment`, model {taken['model']}:\n"
    yield "| what | measured | goal |"
    yield "|---|---|---|"
    yield f"| peak memory | {taken['peak_gb']:.1f} GB | at most {MOST_GB:.0f} GB |"
    yield f"| CPU time of all threads | {taken['cpu_s']:.0f} s | |"
    yield f"| that over {CORES} cores | {minutes:.1f} min | at most {MOST_MINUTES:.0f} min |"
    yield f"| patches around the body | {taken['patches']}, of which {air} are air and were not computed | |"
    for stage, seconds in taken["times"].items():
        yield f"| stage `{stage}`, by the clock | {seconds:.0f} s | |"


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("Testing/benchmarks/results"))
    parser.add_argument("--model", default="head-neck-oar-ct", help="name or bundle (default: %(default)s)")
    parser.add_argument("--size", type=int, nargs=3, metavar=("X", "Y", "Z"), default=SIZE, help="voxels")
    parser.add_argument("--threads", type=int, default=CORES, help="of PyTorch (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "ct.nii.gz"
        write_volume(draw_ct(tuple(options.size)), image)
        taken = segment(image, options.model, Path(folder), options.threads)
    found = {"size": list(options.size), **taken}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "large_ct.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.output / "large_ct.md").write_text(table(found["size"], taken), encoding="utf-8")
    print(table(found["size"], taken))


if __name__ == "__main__":
    main()
