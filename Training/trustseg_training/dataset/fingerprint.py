"""What a data set is like: spacing, sizes, intensities and class sizes; the same for the same data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trustseg_training.progress import counted
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, orient

from .cases import Case, DatasetError, DatasetNames, list_cases, read_names
from .reading import Inspector, read_channels
from .siblings import intensity_step, sibling_warning, siblings

ORIENTATION = "RAS"
PERCENTILES = (0.5, 1, 50, 99, 99.5)
_VOXELS_PER_IMAGE = 10_000  # enough for percentiles of a whole data set, of which no image shall dominate


@dataclass(frozen=True)
class Fingerprint:
    """Numbers of a data set, of images turned to `ORIENTATION`.

    Attributes
    ----------
    patients, images : int
        How many.
    splits : dict of str to int
        Images of each set; empty if the data name none.
    channels : tuple of str
        Names, from the data or ``channel_1``, ...
    spacings : np.ndarray
        (images, 3), x y z in mm.
    sizes : np.ndarray
        (images, 3), x y z in voxels.
    intensities : np.ndarray
        (channels, `PERCENTILES`) of all images together.
    inside : np.ndarray
        The same of the voxels of any structure.
    values : dict of int to str
        Names of the values in the labels, without the background; from the data or ``Structure N``.
    volumes_ml : dict of int to np.ndarray
        Of every value, of those images that have it.
    foreground : float
        Median share of an image's voxels that belong to a structure.
    notes : list of str
        What a person may want to look at.
    patients_of_splits : dict of str to int
        Patients of each set; empty if the data name none.
    warnings : list of str
        What would make the figures of a training wrong.
    """

    patients: int
    images: int
    splits: dict[str, int]
    channels: tuple[str, ...]
    spacings: np.ndarray
    sizes: np.ndarray
    intensities: np.ndarray
    inside: np.ndarray
    values: dict[int, str]
    volumes_ml: dict[int, np.ndarray]
    foreground: float
    notes: list[str]
    patients_of_splits: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def smallest(self) -> float:
        """Share of an image's voxels that its smallest structure has, by medians over the images."""
        image = float(np.median(np.prod(self.sizes * self.spacings, axis=1))) / 1000
        return min((float(np.median(each)) for each in self.volumes_ml.values()), default=0.0) / image


@dataclass(frozen=True)
class _Measured:
    spacing: tuple[float, ...]
    size: tuple[int, ...]
    sample: np.ndarray  # (C, voxels)
    inside: np.ndarray  # (C, voxels)
    volumes_ml: dict[int, float]
    foreground: float
    step: float | None


def measure(data: Path, channels: tuple[str, ...] = ()) -> Fingerprint:
    """Read every image and label of a data set and measure it.

    Parameters
    ----------
    data : Path
        See `cases.find_cases`.
    channels : tuple of str
        Names of the channels to use; those of the data by default.

    Raises
    ------
    DatasetError
        Some files cannot be used: every one, with the reason.
    ImageError
        The data set as a whole cannot be used.
    """
    cases, problems = list_cases(data)
    if not cases:
        raise DatasetError(data, problems)
    names = read_names(data) if data.is_dir() else DatasetNames()
    channels = channels or cases[0].channels or _numbered(cases)
    checks = Inspector(channels)
    measured: dict[Case, _Measured] = {}
    for case in counted(cases, "reading images"):
        if (volumes := checks.read(case)) is not None:
            measured[case] = _measure(*volumes)
    checks.finish()
    if problems or checks.problems:
        raise DatasetError(data, [*problems, *checks.problems])
    return _joined(channels, names, measured, checks.notes)


def _numbered(cases: list[Case]) -> tuple[str, ...]:
    """Names for channels that the data do not name: as many as the first image has that can be read."""
    for case in cases:
        try:
            count = sum(read_channels(path).channels for path in case.images)
        except ImageError:
            continue  # the checks name it, with all others
        return ("image",) if count == 1 else tuple(f"channel_{index + 1}" for index in range(count))
    return ("image",)


def _measure(image: Volume, label: Volume) -> _Measured:
    image, label = orient(image, ORIENTATION), orient(label, ORIENTATION)
    mask = label.array[0] > 0
    values, counts = np.unique(label.array[0][mask], return_counts=True)
    return _Measured(
        spacing=image.spacing,
        size=image.size,
        sample=_thinned(image.array.reshape(image.channels, -1)),
        inside=_thinned(image.array[:, mask]),
        volumes_ml={
            int(value): float(count) * image.voxel_volume_ml
            for value, count in zip(values, counts, strict=True)
        },
        foreground=float(mask.mean()),
        step=intensity_step(image.array[0]),
    )


def _thinned(voxels: np.ndarray) -> np.ndarray:
    """Every n-th voxel, so that no random number decides."""
    return voxels[:, :: max(voxels.shape[1] // _VOXELS_PER_IMAGE, 1)].astype(np.float32)


def _joined(
    channels: tuple[str, ...], names: DatasetNames, by_case: dict[Case, _Measured], notes: list[str]
) -> Fingerprint:
    cases, measured = list(by_case), list(by_case.values())
    found = sorted({value for one in measured for value in one.volumes_ml})
    splits = [case.split for case in cases if case.split]
    of_patients = list({case.patient: case.split for case in cases if case.split}.values())
    warning = sibling_warning(siblings({case: one.step for case, one in by_case.items()}))
    return Fingerprint(
        patients=len({case.patient for case in cases}),
        images=len(cases),
        splits={split: splits.count(split) for split in dict.fromkeys(splits)},
        channels=channels,
        spacings=np.array([one.spacing for one in measured]),
        sizes=np.array([one.size for one in measured]),
        intensities=_percentiles([one.sample for one in measured]),
        inside=_percentiles([one.inside for one in measured]),
        values={value: (names.structures or {}).get(value, f"Structure {value}") for value in found},
        volumes_ml={
            value: np.array([one.volumes_ml[value] for one in measured if value in one.volumes_ml])
            for value in found
        },
        foreground=float(np.median([one.foreground for one in measured])),
        notes=notes,
        patients_of_splits={split: of_patients.count(split) for split in dict.fromkeys(of_patients)},
        warnings=[warning] if warning else [],
    )


def _percentiles(samples: list[np.ndarray]) -> np.ndarray:
    joined = np.concatenate(samples, axis=1)
    if joined.shape[1] == 0:
        return np.full((joined.shape[0], len(PERCENTILES)), np.nan)
    return np.percentile(joined, PERCENTILES, axis=1).T
