"""Real heads for the tests and the benchmark of the locator, and what can happen to a head.

`ch2` is one person's average of 27 scans, with the labels of AAL (Tzourio-Mazoyer et al., Neuroimage 15:273,
2002), both from Debian's `mricron-data`. The sample head of the module is made from it:

    python Testing/harness/heads.py TrustSeg/Resources/SampleData
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from TrustSegLib.bundle import Locator
from TrustSegLib.imaging import Volume, orient, read_volume, resample, write_volume
from TrustSegLib.imaging.grid import Grid

TEMPLATES = Path("/usr/share/mricron/templates")
LOCATOR = Path(__file__).parents[2] / "Training" / "models" / "hippocampus-t1.json"
SAMPLE, SAMPLE_MM = "head_colin27", 1.5
THUMBNAIL_SIZE = (260, 280)
HIPPOCAMPI = {"Left": 37, "Right": 38}
"""Labels of AAL."""


def locator() -> Locator:
    """Locator of the bundled model, as it is exported."""
    return Locator.from_dict(json.loads(LOCATOR.read_text(encoding="utf-8"))["locator"])


def atlas_file() -> Path:
    """The file of the atlas."""
    return LOCATOR.with_name(locator().atlas)


def ch2() -> Volume:
    """The head, 1 mm, uint8."""
    return _read("ch2.nii.gz")


def aal() -> Volume:
    """Labels on the grid of `ch2`."""
    return _read("aal.nii.gz")


def _read(name: str) -> Volume:
    path = TEMPLATES / name
    if not path.is_file():
        raise FileNotFoundError(f"{path}: install mricron-data (apt-get install mricron-data)")
    return read_volume(path)


def orders_of_axes() -> list[str]:
    """The 48 orientations of an image's axes, such as "RAS"."""
    return [
        "".join(pair[side] for pair, side in zip(order, sides, strict=True))
        for order in permutations(("RL", "AP", "SI"))
        for sides in product((0, 1), repeat=3)
    ]


def center(labels: Volume, label: int) -> np.ndarray:
    """Center `(3,)` of a label, LPS mm."""
    return Grid.of(labels).points(np.argwhere(labels.array[0] == label)[:, ::-1].mean(axis=0)[None])[0]


def rotated(volume: Volume, degrees: float, axis: int, nearest: bool = False) -> Volume:
    """The content turned about the middle of the image and the x, y or z axis, on a grid with room for it."""
    image = volume.to_sitk()
    turn = sitk.Euler3DTransform()
    turn.SetCenter(Grid.of(volume).corners().mean(axis=0).tolist())
    turn.SetRotation(*(np.radians(degrees) * (axis == other) for other in range(3)))
    room = sitk.ConstantPad(image, [30] * 3, [30] * 3)
    interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    return Volume.from_sitk(sitk.Resample(image, room, turn, interpolator, 0.0))


def skull_stripped() -> Volume:
    """The brain of `ch2`, cut out by FSL's BET, on its grid."""
    return _read("ch2bet.nii.gz")


def macaque() -> Volume:
    """Brain of rhesus macaques, T1-weighted, an average (INIA19, Rohlfing et al., Front Neuroinform 6:27)."""
    return _read("inia19-t1-brain.nii.gz")


def defaced(volume: Volume) -> Volume:
    """0 in front of and below a plane through the face, for an image whose y runs forward and z up."""
    _, z, y, _ = np.ogrid[tuple(slice(0, size) for size in volume.array.shape)]
    face = (z < 0.38 * volume.shape[0]) & (y > 0.72 * volume.shape[1])
    return volume.with_array(np.where(face, 0, volume.array))


def thick_slices(volume: Volume, axis: int = 2, thickness: float = 3.0) -> Volume:
    """Slices of some mm along x, y or z."""
    spacing = list(volume.spacing)
    spacing[axis] = thickness
    return resample(volume, tuple(spacing))


def part(volume: Volume, x: slice = slice(None), y: slice = slice(None), z: slice = slice(None)) -> Volume:
    """Some voxels of it, where they were."""
    first = [cut.start or 0 for cut in (x, y, z)]
    return replace(
        volume, array=volume.array[:, z, y, x], origin=tuple(Grid.of(volume).points(np.array([first]))[0])
    )


def blobs(seed: int = 0) -> Volume:
    """An image of the size of a head that shows nothing."""
    noise = np.random.default_rng(seed).normal(size=(90, 110, 90))
    smooth = ndimage.gaussian_filter(noise, 4).astype(np.float32)
    return Volume(smooth[np.newaxis], (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def sample() -> Volume:
    """The head at a spacing at which its file is small, uint8."""
    coarse = resample(ch2(), (SAMPLE_MM,) * 3)
    return coarse.with_array(np.rint(coarse.array).clip(0, 255).astype(np.uint8))


def thumbnail(head: Volume) -> Image.Image:
    """A coronal slice through its middle, in the radiological view."""
    voxels = orient(head, "LPI").array[0]
    bright = 255 / np.percentile(voxels, 99) * voxels[:, voxels.shape[1] // 2]
    slice_ = Image.fromarray(bright.clip(0, 255).astype(np.uint8))
    width, height = THUMBNAIL_SIZE
    slice_ = slice_.resize((width, round(slice_.height * width / slice_.width)), Image.Resampling.BICUBIC)
    picture = Image.new("RGB", THUMBNAIL_SIZE)
    picture.paste(slice_, (0, (height - slice_.height) // 2))
    return picture


def main() -> None:
    """Write the sample head and its picture."""
    parser = argparse.ArgumentParser(description="Write the sample head and its picture into a folder.")
    parser.add_argument("folder", type=Path)
    folder, head = parser.parse_args().folder, sample()
    write_volume(head, folder / f"{SAMPLE}.nii.gz")
    thumbnail(head).save(folder / f"{SAMPLE}.png", optimize=True)


if __name__ == "__main__":
    main()
