"""Whole heads: are both hippocampi found, where the reference has them, and nothing where there is none?

    python Testing/benchmarks/whole_heads.py [--label-maps FOLDER] [--other FOLDER] [--orientations 48]

Heads: `ch2` of Debian's mricron-data with AAL, as it is and changed in many ways (see `harness/heads.py`);
MNI152 where nilearn is installed; and `--label-maps`, heads in FreeSurfer's numbers, of which T1-like images
with shading, blur and noise are drawn. `--other`: images in which nothing must be found, beside those of
mricron-data. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import chain, product
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "harness"), str(ROOT / "Training" / "models")]

import heads  # noqa: E402
from head_locator import TEMPLATE, t1_like  # noqa: E402
from scipy import ndimage  # noqa: E402

import TrustSegLib as ts  # noqa: E402
from TrustSegLib.errors import TrustSegError  # noqa: E402
from TrustSegLib.imaging import Volume, orient, read_volume, resample_like  # noqa: E402
from TrustSegLib.imaging.location import locate  # noqa: E402

Case = tuple[str, Volume, Volume | None, Mapping[str, int]]
"""Name, image, labels of the reference, and those of the hippocampi among them."""

HEADINGS = (
    "image",
    "similarity",
    "volume left, right (ml)",
    "of it in the reference (%)",
    "DSC with it",
    "center off (mm)",
    "expected DSC",
    "warnings",
    "CPU s",
)
FREESURFER = {"Left": 17, "Right": 53}
FIRST_SEED = 100
"""Of the heads drawn from label maps: others have chosen centers and limits of the locator."""
SHADING, SHADING_MM, BLUR_MM, NOISE = 0.25, 40.0, 0.5, 5.0
"""Of these heads: spread and smoothness of the factor, blur, and noise (white matter has 200)."""


def cases_of_ch2(orientations: int) -> Iterator[Case]:
    """The head and what was made of it."""
    for name, head, labels in _changed(orientations):
        yield name, head, labels, heads.HIPPOCAMPI


def _changed(orientations: int) -> Iterator[tuple[str, Volume, Volume]]:
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
    orders = heads.orders_of_axes()
    for letters in orders[:: max(1, len(orders) // max(1, orientations))][:orientations]:
        yield f"voxels in the order {letters}", orient(head, letters), orient(labels, letters)


def cases_of_mni152() -> Iterator[Case]:
    """The template of the atlas, with AAL carried over."""
    if (nilearn := find_spec("nilearn")) is not None:
        mni = read_volume(Path(nilearn.origin).parent / TEMPLATE)
        labels = _carried_over(heads.aal(), heads.ch2(), mni)
        yield "MNI152 (skull-stripped)", mni, labels, heads.HIPPOCAMPI


def cases_of_label_maps(folder: Path | None) -> Iterator[Case]:
    """Heads whose reference is exact, as their images are drawn from it."""
    paths = sorted(folder.glob("*.nii.gz")) if folder else ()
    for seed, path in enumerate(paths, start=FIRST_SEED):
        labels = read_volume(path)
        yield f"drawn from {path.name.split('.')[0]}", drawn(labels, seed), labels, FREESURFER


def drawn(labels: Volume, seed: int) -> Volume:
    """T1-like head with shading, blur and noise."""
    random, head = np.random.default_rng(seed), t1_like(labels, seed)
    sigma = SHADING_MM / np.array(labels.spacing[::-1])
    coarse = random.normal(size=[int(np.ceil(size / 8)) for size in labels.shape])
    smooth = ndimage.gaussian_filter(coarse, sigma / 8, mode="nearest")
    field = ndimage.zoom(smooth, np.array(labels.shape) / smooth.shape, order=1)
    shaded = head.array[0] * np.exp(SHADING * field / field.std())
    blurred = ndimage.gaussian_filter(shaded, BLUR_MM / np.array(labels.spacing[::-1]))
    noisy = np.abs(blurred + random.normal(0, NOISE, blurred.shape))
    return head.with_array(noisy.astype(np.float32)[np.newaxis])


def _carried_over(labels: Volume, head: Volume, other: Volume) -> Volume:
    """Labels of a head on another one, by the affine registrations of both to the atlas."""
    atlas = read_volume(heads.atlas_file())
    matrix = locate(head, atlas).matrix @ np.linalg.inv(locate(other, atlas).matrix)
    affine = sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())
    grid = other.with_array(other.array[:1]).to_sitk()
    return Volume.from_sitk(sitk.Resample(labels.to_sitk(), grid, affine, sitk.sitkNearestNeighbor, 0))


def others(folder: Path | None) -> Iterator[Case]:
    """What is no human head in T1-weighted MR."""
    inverted = heads.ch2()
    images = {f"random blobs {seed}": heads.blobs(seed) for seed in range(3)}
    images["ch2, inverted"] = inverted.with_array(255 - inverted.array)
    images["brain of a macaque (INIA19)"] = heads.macaque()
    for name, image in images.items():
        yield name, image, None, {}
    for path in sorted(folder.glob("*.nii.gz")) if folder else ():
        yield path.name, read_volume(path), None, {}


def row(
    name: str, image: Volume, labels: Volume | None, sides: Mapping[str, int], model: ts.Bundle
) -> tuple[str, ...]:
    """Segment one image and compare it with its reference."""
    start = time.process_time()
    try:
        result = ts.segment(image, model)
    except TrustSegError as error:
        reason = str(error).split(", so nothing")[0]
        return (name, "-", reason, *["-"] * 5, f"{time.process_time() - start:.1f}")
    seconds = time.process_time() - start
    volumes, inside, agreement, off = [], [], [], []
    for side in ("Left", "Right"):
        own = [each.label for each in result.structures if each.name.startswith(side)]
        mask = np.isin(result.labels.array, own)
        volumes.append(f"{mask.sum() * image.voxel_volume_ml:.2f}" if mask.any() else "-")
        if labels is not None and mask.any() and (labels.array == sides[side]).any():
            truth = labels.array == sides[side]
            inside.append(f"{100 * truth[mask].mean():.0f}")
            agreement.append(f"{2 * (truth & mask).sum() / (truth.sum() + mask.sum()):.2f}")
            found = heads.center(result.labels.with_array(mask.astype(np.uint8)), 1)
            off.append(f"{np.linalg.norm(found - heads.center(labels, sides[side])):.1f}")
    expected = [f"{each.expected_dsc:.2f}" for each in result.structures if each.expected_dsc is not None]
    cells = (", ".join(part) for part in (volumes, inside, agreement, off, expected))
    found = result.provenance.get("location", {"similarity": float("nan")})
    warnings = str(len(result.case.warnings))
    return (name, f"{found['similarity']:.2f}", *cells, warnings, f"{seconds:.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="hippocampus-t1", help="with a locator")
    parser.add_argument("--label-maps", type=Path, help="folder of heads in FreeSurfer's numbers")
    parser.add_argument("--other", type=Path, help="folder of images in which nothing must be found")
    parser.add_argument("--orientations", type=int, default=3, help="how many of the 48")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    model = ts.load_model(arguments.model)
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}", flush=True)
    cases = chain(
        cases_of_ch2(arguments.orientations),
        cases_of_mni152(),
        cases_of_label_maps(arguments.label_maps),
        others(arguments.other),
    )
    for case in cases:
        print(f"| {' | '.join(row(*case, model))} |", flush=True)


if __name__ == "__main__":
    main()
