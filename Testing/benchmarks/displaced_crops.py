"""Crops that are off center, as those of a locator are: does the mask change, and do intervals still hold?

    python Testing/benchmarks/displaced_crops.py FOLDER [--model BUNDLE]

FOLDER is the data set of the model with `imagesTr`, `labelsTr` and `splits.csv`; its validation images are
measured. A crop is displaced by leaving out voxels at one side: what would come in at the other side is not
in the data set, so that the displaced crop is smaller, too. Intervals and expected DSC were calibrated on the
same images, not displaced. Prints a Markdown table; a mean and a share are over images.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import TrustSegLib as ts  # noqa: E402
from TrustSegLib.imaging import Volume, orient, read_labels, read_volume  # noqa: E402
from TrustSegLib.imaging.grid import Grid  # noqa: E402

SEED = 4
HEADINGS = ("crop", "structure", "DSC", "volume bias (%)", "interval given (%)", "covers (%)", "error of DSC")


@dataclass(frozen=True)
class Measured:
    """One structure of one crop; volumes in ml, the error is that of the expected DSC."""

    dsc: float
    volume: float
    true_volume: float
    covered: bool | None
    error: float | None


def displacements(random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Name and mm along x, y and z: none, in any direction, and along all axes at once."""
    yield "as it is", np.zeros(3)
    direction = random.normal(size=3)
    yield "4 mm off in one direction", 4 * direction / np.linalg.norm(direction)
    yield "4 mm off along each axis", 4 * np.sign(random.normal(size=3))


def displaced(volume: Volume, shift: np.ndarray) -> Volume:
    """Leave out the voxels by which a crop is displaced."""
    steps = np.rint(shift / volume.spacing).astype(int)
    lower, upper = np.maximum(steps, 0), np.array(volume.size) + np.minimum(steps, 0)
    parts = tuple(slice(*ends) for ends in zip(lower[::-1], upper[::-1], strict=True))
    origin = tuple(Grid.of(volume).points(lower[None].astype(float))[0])
    return replace(volume, array=volume.array[(slice(None), *parts)], origin=origin)


def measured(image: Volume, labels: Volume, model: ts.Bundle) -> Iterator[tuple[str, Measured]]:
    """Segment a crop and compare it with its labels."""
    result = ts.segment(image, model)
    for row in result.structures:
        mask, truth = (each.array == row.label for each in (result.labels, labels))
        dsc = 2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum())
        true_volume, interval = truth.sum() * image.voxel_volume_ml, row.volume_interval_ml
        covered = None if interval is None else bool(interval[0] <= true_volume <= interval[1])
        error = None if row.expected_dsc is None else abs(row.expected_dsc - dsc)
        yield row.name, Measured(dsc, row.volume_ml, true_volume, covered, error)


def line(crop: str, structure: str, found: list[Measured]) -> str:
    """One row of the table."""
    given = [one.covered for one in found if one.covered is not None]
    errors = [one.error for one in found if one.error is not None]
    bias = 100 * (sum(one.volume for one in found) / sum(one.true_volume for one in found) - 1)
    cells = (
        f"{np.mean([one.dsc for one in found]):.3f}",
        f"{bias:+.1f}",
        f"{100 * len(given) / len(found):.0f}",
        f"{100 * np.mean(given):.0f}",
        f"{np.mean(errors):.3f}",
    )
    return f"| {' | '.join((crop, structure, *cells))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="hippocampus-t1")
    arguments = parser.parse_args()
    model, random = ts.load_model(arguments.model), np.random.default_rng(SEED)
    with open(arguments.folder / "splits.csv", encoding="utf-8", newline="") as file:
        names = [row["case"] for row in csv.DictReader(file) if row["split"] == "val"]
    found: dict[tuple[str, str], list[Measured]] = {}
    for name in names:
        image = orient(read_volume(arguments.folder / "imagesTr" / f"{name}.nii.gz"), "RAS")
        labels = orient(read_labels(arguments.folder / "labelsTr" / f"{name}.nii.gz"), "RAS")
        for crop, shift in displacements(random):
            for structure, one in measured(displaced(image, shift), displaced(labels, shift), model):
                found.setdefault((crop, structure), []).append(one)
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for (crop, structure), values in found.items():
        print(line(crop, structure, values))


if __name__ == "__main__":
    main()
