"""A scan larger than a model's field of view: cut out what the model knows, and put the results together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from TrustSegLib.contract import DEFAULT_MAP, LPS_FROM_RAS
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, resample_like
from TrustSegLib.imaging.grid import Box, Grid
from TrustSegLib.imaging.location import Location, locate
from TrustSegLib.inference.prediction import Model, check_image
from TrustSegLib.inference.restore import interpolate
from TrustSegLib.inference.result import Case, SegmentationResult, Sides
from TrustSegLib.inference.stages import Stages
from TrustSegLib.uncertainty import case_quality, labels
from TrustSegLib.uncertainty.regions import find_regions

if TYPE_CHECKING:
    from TrustSegLib.bundle import FieldOfView, ModelDescription
    from TrustSegLib.uncertainty import StructureRow

LARGER = 5.0
"""A scan of more than this many times the volume of a field of view is searched for it."""
MOST_TILT = 12.0
"""Degrees between scan and anatomy up to which a field of view is cut along the axes of the scan."""
LEAST_INSIDE = 0.9
"""Share of a field of view along each axis that must lie in the scan."""
TIE_MM = 1e-3
"""Far below a voxel, far above the rounding of positions."""
OFF_CENTER_MM = 3.0
"""Distance of the structures from the center of the field from which on it is cut anew around them."""

_PATIENT_AXIS = {letter: axis for axis, pair in enumerate(("LR", "PA", "SI")) for letter in pair}


@dataclass(frozen=True, eq=False)
class Crop:
    """A field of view of a scan.

    Attributes
    ----------
    field : FieldOfView
        Which one.
    seen : Volume
        What the model sees; mirrored if the field is.
    place : Volume
        The same voxels where they lie in the scan, not mirrored.
    box : Box
        Voxels of the scan that it touches.
    mirrored_axis : int or None
        Axis of `seen` that was flipped.
    """

    field: FieldOfView
    seen: Volume
    place: Volume
    box: Box
    mirrored_axis: int | None

    @property
    def center(self) -> np.ndarray:
        """Center `(3,)`, LPS mm."""
        return Grid.of(self.place).corners().mean(axis=0)

    def unmirrored(self, array: np.ndarray) -> np.ndarray:
        """Values `(C, D, H, W)` of `seen` in the order of `place`."""
        return array if self.mirrored_axis is None else np.flip(array, self.mirrored_axis)


@dataclass(frozen=True, eq=False)
class LocatedScan:
    """Fields of view that were found in a scan, in the order of the locator, and those outside of it."""

    location: Location
    crops: tuple[Crop, ...]
    outside: tuple[FieldOfView, ...]


def is_larger(volume: Volume, description: ModelDescription) -> bool:
    """Whether an image is so much larger than a model's field of view that it has to be searched for it."""
    if description.locator is None:
        return False
    largest = max(float(np.prod(field.size_mm)) for field in description.locator.fields_of_view)
    return float(np.prod(np.array(volume.size) * volume.spacing)) > LARGER * largest


def locate_anatomy(volume: Volume, bundle: Model, stages: Stages) -> Location:
    """Find the atlas of a model in a scan.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)`, for which `is_larger` holds.
    bundle : Model
        With a locator.
    stages : Stages
        Gets the stage `locate`, and is asked in each iteration of the registration.

    Returns
    -------
    Location
        With a `problem` if the anatomy is not in the scan.

    Raises
    ------
    Cancelled
        When the user has stopped the work.
    ImageError
        The image's channels are not the model's, or it holds NaN or infinite values.
    """

    def step(done: int, total: int) -> bool:
        stages.report("locate", done, total)
        return stages.cancelled()

    check_image(volume, bundle.description)
    with stages.stage("locate"):
        location = locate(volume, bundle.atlas(), step)
        stages.check()
    return location


def cut_fields(volume: Volume, bundle: Model, location: Location) -> LocatedScan:
    """Cut a model's fields of view out of a scan.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)`.
    bundle : Model
        With a locator.
    location : Location
        Of its atlas in the scan.

    Returns
    -------
    LocatedScan
        With one crop at least.

    Raises
    ------
    ImageError
        The anatomy was not found, or no field of view lies in the scan.
    """
    description, locator = bundle.description, bundle.description.locator
    if not location.found:
        raise ImageError(
            f"no {locator.anatomy} was found in the scan ({location.problem}), so nothing was segmented; "
            f"give {description.modality} ({', '.join(description.channels)}) of one, a crop around one "
            f"{locator.organ}, or a region with --roi"
        )
    crops, outside = [], []
    for field in locator.fields_of_view:
        center = location.point(tuple(np.array(field.center_mm) * LPS_FROM_RAS))
        found = _crop(volume, field, center, location.rotation, description)
        if found is None:
            outside.append(field)
        else:
            crops.append(found)
    if not crops:
        raise ImageError(
            f"the scan shows a part of the {locator.anatomy} without the {locator.organ}, so nothing was "
            "segmented; give a scan with it"
        )
    return LocatedScan(location, tuple(crops), tuple(outside))


def centered(
    volume: Volume, crop: Crop, result: SegmentationResult, location: Location, description: ModelDescription
) -> Crop | None:
    """Cut a field of view anew around its structures, so that they lie in the middle as in training.

    Parameters
    ----------
    volume : Volume
        The scan.
    crop : Crop
        Cut around the center of the atlas.
    result : SegmentationResult
        Of it.
    location : Location
        Of the atlas.
    description : ModelDescription
        Of the model.

    Returns
    -------
    Crop or None
        None if there is nothing to cut anew: the structures lie in the middle, or there are none.
    """
    found = np.argwhere(crop.unmirrored(result.labels.array)[0] > 0)
    if not len(found):
        return None
    # Not the outermost voxels: a few may be stray.
    middle = np.percentile(found, (1, 99), axis=0).mean(axis=0)
    center = Grid.of(crop.place).points(middle[None, ::-1])[0]
    if np.linalg.norm(center - crop.center) <= OFF_CENTER_MM:
        return None
    return _crop(volume, crop.field, center, location.rotation, description)


def joined(
    volume: Volume,
    found: LocatedScan,
    results: Sequence[SegmentationResult],
    description: ModelDescription,
) -> SegmentationResult:
    """Put the results of all fields of view together on the scan's own grid.

    Parameters
    ----------
    volume : Volume
        The scan.
    found : LocatedScan
        Its fields of view.
    results : sequence of SegmentationResult
        Of `Crop.seen`, in the order of the crops.
    description : ModelDescription
        Of the model.

    Returns
    -------
    SegmentationResult
        With the structures of every field that lies in the scan. Intervals and expected Dice coefficients are
        those of the crops, as they were calibrated.
    """
    locator, count = description.locator, len(description.structures)
    structures = description.located_structures
    mask = volume.with_array(np.zeros((1, *volume.shape), np.uint8))
    maps = {name: volume.with_array(np.zeros((1, *volume.shape), np.float32)) for name in results[0].maps}
    rows, scores, warnings, kept = [], [], [], []
    for crop, result in zip(found.crops, results, strict=True):
        before = count * locator.fields_of_view.index(crop.field)
        own = structures[before : before + count]
        kept += own
        _place(crop, result, volume, mask, maps, before)
        voxels = np.bincount(mask.array[(0, *crop.box.slices)].ravel(), minlength=before + count + 1)
        for row, structure in zip(result.structures, own, strict=True):
            volume_ml = float(voxels[structure.label] * volume.voxel_volume_ml)
            rows.append(replace(row, label=structure.label, name=structure.name, volume_ml=volume_ml))
        scores += [replace(score, label=score.label + before) for score in result.scores]
        warnings += [f"{crop.field.name}: {warning}" for warning in result.case.warnings]
    warnings += [
        f"{field.name} {locator.organ}: it would lie outside of the scan, so nothing was segmented there"
        for field in found.outside
    ]
    return replace(
        results[0],
        labels=mask,
        maps=maps,
        structures=tuple(rows),
        scores=tuple(scores),
        regions=_regions(maps.get(DEFAULT_MAP), mask, found.crops, kept),
        case=Case(case_quality(tuple(rows)), (*warnings, *volume.notes)),
        calibration=_calibration(results[0].calibration, found, description),
        provenance=_provenance(results, found),
        anatomy=tuple(kept),
        sides=_sides(found.crops, rows, count, description),
    )


def _crop(
    volume: Volume,
    field: FieldOfView,
    center: np.ndarray,
    rotation: np.ndarray,
    description: ModelDescription,
) -> Crop | None:
    """Cut a field out of a scan; None if too little of it lies in the scan."""
    grid = Grid.of(volume)
    halves = np.array(field.size_mm) / 2
    corners = center + np.array(list(itertools.product(*((-half, half) for half in halves)))) @ rotation.T
    indices = grid.indices(corners)[:, ::-1]
    whole = indices.max(axis=0) - indices.min(axis=0)
    inside = np.minimum(indices.max(axis=0), np.array(volume.shape) - 0.5) - np.maximum(
        indices.min(axis=0), -0.5
    )
    if (inside < LEAST_INSIDE * whole).any():
        return None
    if _tilt(grid, rotation) > MOST_TILT:
        return _turned_crop(volume, field, center, rotation, description)
    return _straight_crop(volume, field, center)


def _tilt(grid: Grid, rotation: np.ndarray) -> float:
    """Largest angle between an axis of a grid and the axis of the anatomy next to it; degrees."""
    cosines = np.abs(rotation.T @ grid.direction)
    return float(np.degrees(np.arccos(min(cosines.max(axis=0).min(), 1.0))))


def _straight_crop(volume: Volume, field: FieldOfView, center: np.ndarray) -> Crop:
    """The scan's own voxels: nothing is interpolated."""
    grid = Grid.of(volume)
    axes = np.argmax(np.abs(grid.direction), axis=0)  # patient axis of each axis of the file
    length = np.array(field.size_mm)[axes] / grid.spacing
    # Half-way between two voxels the patient's axes decide, not the order of the file's.
    middle = grid.indices(center[None] + TIE_MM)[0]
    lower = np.clip(np.rint(middle - length / 2 + 0.5), 0, np.array(volume.size) - 1).astype(int)
    upper = np.clip(np.rint(middle + length / 2 + 0.5), lower + 1, volume.size).astype(int)
    box = Box(tuple(map(int, lower[::-1])), tuple(map(int, upper[::-1])))
    place = replace(
        volume, array=volume.array[(slice(None), *box.slices)], origin=tuple(grid.crop(box).origin), notes=()
    )
    left_right = 3 - int(np.argmin(axes))
    return _seen(field, place, place, box, left_right)


def _turned_crop(
    volume: Volume,
    field: FieldOfView,
    center: np.ndarray,
    rotation: np.ndarray,
    description: ModelDescription,
) -> Crop:
    """Resampled along the axes of the anatomy, as a scan of a straight head has it."""
    wanted = description.input
    spacing = np.empty(3)
    for letter, step in zip(wanted.orientation, wanted.spacing_mm, strict=True):
        spacing[_PATIENT_AXIS[letter]] = step
    size = np.rint(np.array(field.size_mm) / spacing).astype(int)
    origin = center - rotation @ ((size - 1) / 2 * spacing)
    empty = np.broadcast_to(np.uint8(0), (1, *size[::-1]))
    reference = Volume(empty, tuple(spacing), tuple(origin), tuple(rotation.ravel()))
    box = Grid.of(volume).box_around(Grid.of(reference).corners(), (2, 2, 2))
    part = replace(
        volume, array=volume.array[(slice(None), *box.slices)], origin=tuple(Grid.of(volume).crop(box).origin)
    )
    place = replace(resample_like(part, reference, "linear"), notes=())
    straight = replace(place, origin=(0.0, 0.0, 0.0), direction=tuple(np.eye(3).ravel()))
    return _seen(field, straight, place, box, 3)


def _seen(field: FieldOfView, seen: Volume, place: Volume, box: Box, left_right: int) -> Crop:
    if not field.mirror:
        return Crop(field, seen, place, box, None)
    flipped = seen.with_array(np.ascontiguousarray(np.flip(seen.array, left_right)))
    return Crop(field, flipped, place, box, left_right)


def _place(
    crop: Crop,
    result: SegmentationResult,
    volume: Volume,
    mask: Volume,
    maps: Mapping[str, Volume],
    labels_before: int,
) -> None:
    """Write the mask and the maps of a crop into those of the scan."""
    found, part = crop.unmirrored(result.labels.array)[0], (0, *crop.box.slices)
    values = {name: crop.unmirrored(each.array)[0] for name, each in result.maps.items()}
    source, target = Grid.of(crop.place), Grid.of(volume).crop(crop.box)
    if source.shape != target.shape or not np.allclose(source.steps, target.steps):
        shares = [
            interpolate((found == label).astype(np.float32), source, target)
            for label in range(1, found.max() + 1)
        ]
        found = labels(np.stack([1 - sum(shares, np.zeros(target.shape, np.float32)), *shares]))
        values = {name: interpolate(each, source, target) for name, each in values.items()}
    own = mask.array[part]
    own[found > 0] = found[found > 0] + np.uint8(labels_before)
    for name, each in values.items():
        np.maximum(maps[name].array[part], each, out=maps[name].array[part])


def _regions(
    error: Volume | None, mask: Volume, crops: Sequence[Crop], structures: Sequence[Any]
) -> tuple[Any, ...]:
    """Regions of all crops in one ranking."""
    if error is None:
        return ()
    lower = np.min([crop.box.lower for crop in crops], axis=0)
    upper = np.max([crop.box.upper for crop in crops], axis=0)
    box = Box(tuple(map(int, lower)), tuple(map(int, upper)))
    origin = tuple(Grid.of(mask).crop(box).origin)
    cut = [
        replace(each, array=each.array[(slice(None), *box.slices)], origin=origin) for each in (error, mask)
    ]
    return tuple(
        replace(region, index=tuple(int(a + b) for a, b in zip(region.index, box.lower[::-1], strict=True)))
        for region in find_regions(*cut, structures)
    )


def _calibration(
    calibration: Mapping[str, Any] | None, found: LocatedScan, description: ModelDescription
) -> dict[str, Any] | None:
    """The record of the calibration, with the figures of each structure for every field."""
    if calibration is None:
        return None
    fields, count = description.locator.fields_of_view, len(description.structures)
    names = {each.label: each.name for each in description.located_structures}
    own_names = {each.label: each.name for each in description.structures}
    before = [count * fields.index(crop.field) for crop in found.crops]

    def of_fields(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        whole = [dict(entry) for entry in entries if entry["label"] is None]
        own = [entry for entry in entries if entry["label"] is not None]
        return whole + [_of_field(entry, shift, names, own_names) for shift in before for entry in own]

    parts = ("volumes", "quality", "not_calibrated")
    return {**calibration, **{part: of_fields(calibration[part]) for part in parts}}


def _of_field(
    entry: Mapping[str, Any], labels_before: int, names: Mapping[int, str], own_names: Mapping[int, str]
) -> dict[str, Any]:
    """A figure of a structure as that of a field; it was measured on crops, without regard to the side."""
    label = entry["label"] + labels_before
    named = {"structure": names[label]} if "structure" in entry else {"of": own_names[entry["label"]]}
    return {**entry, "label": label, **named}


def _provenance(results: Sequence[SegmentationResult], found: LocatedScan) -> dict[str, Any]:
    first = results[0].provenance
    stages = dict.fromkeys(stage for result in results for stage in result.provenance["times"])
    return {
        **first,
        "times": {
            stage: sum(each.provenance["times"].get(stage, 0.0) for each in results) for stage in stages
        },
        **{
            name: sum(result.provenance[name] for result in results)
            for name in ("patches", "patches_computed")
        },
        "location": {
            "similarity": round(found.location.similarity, 3),
            "centers_ras_mm": {
                crop.field.name: [round(float(value), 1) for value in crop.center * LPS_FROM_RAS]
                for crop in found.crops
            },
        },
    }


def _sides(
    crops: Sequence[Crop], rows: Sequence[StructureRow], count: int, description: ModelDescription
) -> Sides:
    """Volumes of the organ in each field."""
    volumes, of_side = {}, {}
    for index, crop in enumerate(crops):
        total = sum(row.volume_ml for row in rows[index * count : (index + 1) * count])
        volumes[crop.field.name] = of_side[crop.field.side] = total
    left, right = of_side.get("left"), of_side.get("right")
    asymmetry = None
    if left is not None and right is not None and left + right > 0:
        asymmetry = 200 * (right - left) / (left + right)
    return Sides(description.locator.organ, volumes, sum(volumes.values()), asymmetry)
