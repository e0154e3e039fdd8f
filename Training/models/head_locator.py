"""The locator of `hippocampus-t1`: make its atlas, measure where hippocampi lie in it, add it to a bundle.

    python Training/models/head_locator.py atlas
    python Training/models/head_locator.py centers FOLDER_OF_LABEL_MAPS
    python Training/models/head_locator.py add BUNDLE NEW_BUNDLE

The atlas is the ICBM 152 2009a template that nilearn ships (T1, skull-stripped), at 3 mm and 8 bits. The
centers are medians over people: each label map (FreeSurfer's numbers, 17 and 53 the hippocampi) becomes a
T1-like image, in which `TrustSegLib.imaging.location` finds the atlas. The template is symmetric, so the
sides share a center. `export` adds the locator by itself, from `hippocampus-t1.json`; `add` is for a bundle
from before there was one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import ndimage

from TrustSegLib.bundle import Locator, load_bundle, save_bundle
from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.imaging import Volume, read_volume, resample, write_volume
from TrustSegLib.imaging.grid import Grid
from TrustSegLib.imaging.location import locate

TEMPLATE = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
ATLAS = Path(__file__).with_name("icbm152-t1-3mm.nii.gz")
DETAILS = Path(__file__).with_name("hippocampus-t1.json")
SPACING = (3.0, 3.0, 3.0)
HIPPOCAMPI = (17, 53)
FIRST_OTHER = 500
"""Labels from here on are classes of tissue without a name, outside of the brain."""
GRAY = {2: 200, 41: 200, 4: 45, 43: 45, 5: 45, 44: 45, 14: 45, 15: 45, 24: 40, 7: 195, 46: 195, 16: 180} | {
    10: 160,
    49: 160,
    11: 140,
    50: 140,
    12: 150,
    51: 150,
    13: 170,
    52: 170,
    28: 165,
    60: 165,
}
"""Brightness of brain structures in T1-weighted MR; that of gray matter for all others."""
GRAY_MATTER, FLUID, NOISE = 130.0, 40.0, 6.0


def make_atlas() -> Volume:
    """Template at 3 mm, uint8, 0 outside of the brain."""
    package = Path(find_spec("nilearn").origin).parent
    template = resample(read_volume(package / TEMPLATE), SPACING)
    array = template.array / template.array.max() * 255
    return template.with_array(np.rint(np.clip(array, 0, 255)).astype(np.uint8))


def t1_like(labels: Volume, seed: int) -> Volume:
    """T1-like image of a label map: fluid and skull beside the brain are dark, other tissue of any gray."""
    found, random = labels.array[0], np.random.default_rng(seed)
    brain = (found > 0) & (found < FIRST_OTHER)
    distance = ndimage.distance_transform_edt(~brain)
    ring = found[(distance > 2) & (distance < 8) & (found >= FIRST_OTHER)]
    skull = int(np.bincount(ring).argmax())
    image = np.zeros(found.shape)
    for label in np.unique(found[found > 0]):
        other = FLUID if label == skull else random.uniform(60, 230)
        image[found == label] = other if label >= FIRST_OTHER else GRAY.get(int(label), GRAY_MATTER)
    image[~brain & (found > 0) & (distance < 2.5)] = FLUID
    image = ndimage.gaussian_filter(image, 0.6) + random.normal(0, NOISE, image.shape)
    return labels.with_array(np.maximum(image, 0).astype(np.float32)[np.newaxis])


def centers_in_atlas(labels: Volume, atlas: Volume, seed: int) -> np.ndarray | None:
    """Centers `(2, 3)` of the left and right hippocampus in the atlas, RAS mm; None if it was not found."""
    location = locate(t1_like(labels, seed), atlas)
    if not location.found:
        return None
    voxels = [np.argwhere(labels.array[0] == label).mean(axis=0)[::-1] for label in HIPPOCAMPI]
    points = Grid.of(labels).points(np.array(voxels))
    back = np.linalg.inv(location.matrix)
    return (points @ back[:3, :3].T + back[:3, 3]) * LPS_FROM_RAS


def print_centers(folder: Path) -> None:
    """Print the median center of both sides, as that of the right one."""
    atlas, paths = read_volume(ATLAS), sorted(folder.glob("*.nii.gz"))
    found = [centers_in_atlas(read_volume(path), atlas, seed) for seed, path in enumerate(paths)]
    known = np.array([centers for centers in found if centers is not None])
    right = (known * [[[-1, 1, 1], [1, 1, 1]]]).reshape(-1, 3)
    center, spread = np.median(right, axis=0).round(1), right.std(axis=0).round(1)
    print(
        f"{len(known)} of {len(paths)} heads found; right: {center.tolist()} mm (RAS), sd {spread.tolist()}"
    )


def add(source: Path, output: Path) -> None:
    """Write a copy of a bundle with the locator."""
    bundle = load_bundle(source)
    locator = Locator.from_dict(json.loads(DETAILS.read_text(encoding="utf-8"))["locator"])
    described = dataclasses.replace(bundle.description, locator=locator)
    parts = bundle.network().state_dict(), bundle.card(), bundle.calibration(), bundle.metrics()
    save_bundle(output, described, *parts, ATLAS.read_bytes())


def main() -> None:
    """Run one of the commands of the module's description."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("atlas")
    commands.add_parser("centers").add_argument("folder", type=Path)
    adding = commands.add_parser("add")
    adding.add_argument("bundle", type=Path)
    adding.add_argument("output", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "atlas":
        write_volume(make_atlas(), ATLAS)
    elif arguments.command == "centers":
        print_centers(arguments.folder)
    else:
        add(arguments.bundle, arguments.output)


if __name__ == "__main__":
    main()
