"""Whole heads: are both hippocampi found, where AAL has them, and is nothing found where there is none?

    python Testing/benchmarks/whole_heads.py --model BUNDLE [--other FOLDER] [--orientations 48]

Heads: `ch2` of Debian's mricron-data with AAL, as it is and changed in many ways (see `harness/heads.py`);
and MNI152 where nilearn is installed. `--other`: images in which nothing must be found. Prints a Markdown
table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import permutations, product
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "harness")]

import heads  # noqa: E402

import TrustSegLib as ts  # noqa: E402
from TrustSegLib.errors import TrustSegError  # noqa: E402
from TrustSegLib.imaging import Volume, orient, read_volume, resample_like  # noqa: E402
from TrustSegLib.imaging.location import locate  # noqa: E402

HEADINGS = (
    "image",
    "volume left, right (ml)",
    "in AAL's (%)",
    "center off (mm)",
    "expected DSC",
    "warnings",
    "s",
)
MNI152 = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def heads_with_labels(orientations: int) -> Iterator[tuple[str, Volume, Volume | None]]:
    """Name, image and AAL's labels of every head."""
    head, labels = heads.ch2(), heads.aal()
    yield "ch2", head, labels
    for axis, sign in product(range(3), (20, -20)):
        turned = heads.rotated(labels, sign, axis, nearest=True)
        yield f"turned {sign:+d} degrees about {'xyz'[axis]}", heads.rotated(head, sign, axis), turned
    yield "skull-stripped", heads.skull_stripped(), labels
    yield "defaced", heads.defaced(head), labels
    for axis, name in enumerate(("sagittal", "coronal", "axial")):
        thick = heads.thick_slices(head, axis)
        yield f"3 mm {name} slices", thick, resample_like(labels, thick, "nearest")
    middle = head.shape[2] // 2
    for name, cut in {"left half": slice(0, middle + 2), "right half": slice(middle - 2, None)}.items():
        yield name, heads.part(head, x=cut), heads.part(labels, x=cut)
    for name, cut in {"lower half": slice(0, 80), "upper half": slice(80, None)}.items():
        yield name, heads.part(head, z=cut), heads.part(labels, z=cut)
    for letters in _orientations(orientations):
        yield f"voxels in the order {letters}", orient(head, letters), orient(labels, letters)
    if (nilearn := find_spec("nilearn")) is not None:
        mni = read_volume(Path(nilearn.origin).parent / MNI152)
        yield "MNI152 (skull-stripped)", mni, _carried_over(labels, head, mni)


def _carried_over(labels: Volume, head: Volume, other: Volume) -> Volume:
    """Labels of a head on another one, by the affine registrations of both to the atlas."""
    atlas = read_volume(heads.atlas_file())
    matrix = locate(head, atlas).matrix @ np.linalg.inv(locate(other, atlas).matrix)
    affine = sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())
    grid = other.with_array(other.array[:1]).to_sitk()
    return Volume.from_sitk(sitk.Resample(labels.to_sitk(), grid, affine, sitk.sitkNearestNeighbor, 0))


def _orientations(count: int) -> list[str]:
    letters = [
        "".join(pair[side] for pair, side in zip(order, sides, strict=True))
        for order in permutations(("RL", "AP", "SI"))
        for sides in product((0, 1), repeat=3)
    ]
    return letters[:: max(1, len(letters) // count)][:count] if count else []


def others(folder: Path | None) -> Iterator[tuple[str, Volume]]:
    """Name and image of what is no head in T1-weighted MR."""
    for seed in range(3):
        yield f"random blobs {seed}", heads.blobs(seed)
    inverted = heads.ch2()
    yield "ch2, inverted", inverted.with_array(255 - inverted.array)
    for path in sorted(folder.glob("*.nii.gz")) if folder else ():
        yield path.name, read_volume(path)


def row(name: str, image: Volume, labels: Volume | None, model: ts.Bundle) -> tuple[str, ...]:
    """Segment one image and compare it with AAL."""
    start = time.perf_counter()
    try:
        result = ts.segment(image, model)
    except TrustSegError as error:
        return (name, str(error).split(",")[0], *["-"] * 4, f"{time.perf_counter() - start:.1f}")
    seconds = time.perf_counter() - start
    volumes, inside, off = [], [], []
    for side, label in heads.HIPPOCAMPI.items():
        own = [each.label for each in result.structures if each.name.startswith(side)]
        mask = np.isin(result.labels.array, own)
        volumes.append(f"{mask.sum() * image.voxel_volume_ml:.2f}" if mask.any() else "-")
        if labels is not None and mask.any() and (labels.array == label).any():
            inside.append(f"{100 * (labels.array[mask] == label).mean():.0f}")
            found = heads.center(result.labels.with_array(mask.astype(np.uint8)), 1)
            off.append(f"{np.linalg.norm(found - heads.center(labels, label)):.1f}")
    expected = [f"{each.expected_dsc:.2f}" for each in result.structures if each.expected_dsc is not None]
    cells = (", ".join(part) for part in (volumes, inside, off, expected))
    return (name, *cells, str(len(result.case.warnings)), f"{seconds:.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="hippocampus-t1", help="with a locator")
    parser.add_argument("--other", type=Path, help="folder of images in which nothing must be found")
    parser.add_argument("--orientations", type=int, default=3, help="how many of the 48")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    model = ts.load_model(arguments.model)
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}", flush=True)
    for case in heads_with_labels(arguments.orientations):
        print(f"| {' | '.join(row(*case, model))} |", flush=True)
    for name, image in others(arguments.other):
        print(f"| {' | '.join(row(name, image, None, model))} |", flush=True)


if __name__ == "__main__":
    main()
