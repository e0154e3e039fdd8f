"""Read image and label of a case, and check both, with one line for every file that fails."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_labels, read_volume

from .cases import Case


def read_image(case: Case, channels: tuple[str, ...]) -> Volume:
    """Read the channels of an image in the order of ``channels``.

    They are found by name where the data name them, so that a network may take some of them; else they are
    taken in the order of the data.

    Parameters
    ----------
    case : Case
        Of `cases.find_cases`.
    channels : tuple of str
        Names of the network's channels.

    Returns
    -------
    Volume
        (C, D, H, W).

    Raises
    ------
    ImageError
        A file cannot be read, channels have unequal grids, or they are not those that are wanted.
    """
    places = _places(case, channels) if case.channels else None
    if places is not None and len(case.images) > 1:
        return _stack(tuple(case.images[place] for place in places))
    image = _stack(case.images)
    if places is None:
        places = list(range(len(channels)))
    have = image.channels
    if have != len(case.channels or channels):
        raise ImageError(
            f"{case.images[0]}: {have} channels, but {', '.join(case.channels or channels)} "
            f"{'is' if len(case.channels or channels) == 1 else 'are'} expected; name them with --channels"
        )
    return image.with_array(image.array[places])


def _places(case: Case, channels: tuple[str, ...]) -> list[int]:
    """Where the wanted channels stand in the data; in their order if the data use other names for all."""
    known = [name for name in channels if name in case.channels]
    if not known and len(channels) == len(case.channels):
        return list(range(len(channels)))
    if len(known) < len(channels):
        raise ImageError(
            f"{case.images[0]}: channels {', '.join(case.channels)}, but wanted are {', '.join(channels)}; "
            "name those of the data with --channels"
        )
    return [case.channels.index(name) for name in channels]


def _stack(paths: tuple[Path, ...]) -> Volume:
    volumes = [read_channels(path) for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        if not volumes[0].same_grid(volume):
            raise ImageError(f"{path}: not on the grid of {paths[0].name}; resample one onto the other")
    if len(volumes) == 1:
        return volumes[0]
    return volumes[0].with_array(np.concatenate([volume.array for volume in volumes]))


def read_channels(path: Path) -> Volume:
    """Read a file as `read_volume` does, or a NIfTI of four dimensions as channels.

    The Medical Segmentation Decathlon keeps its channels so; in the clinic the fourth dimension is time,
    which is why `read_volume` refuses it.
    """
    return read_volume(path, fourth_axis_is_channel=True)


@dataclass(frozen=True)
class Findings:
    """What the checks found in a case that can be used.

    Attributes
    ----------
    digest : str
        SHA-256 of the image's voxels as they were read.
    notes : tuple of str
        One line for every file that a person may want to look at.
    """

    digest: str
    notes: tuple[str, ...]


@dataclass
class Inspector:
    """Read cases one by one and keep what is wrong with them.

    Attributes
    ----------
    channels : tuple of str
        Names of the channels that are wanted.
    known : set of int or None
        Values that a label file may have; None for any.
    problems : list of str
        One line for every file that cannot be used.
    notes : list of str
        One line for every file that can be used but that a person may want to look at.
    findings : dict of Case to Findings
        Of the cases that can be used.
    """

    channels: tuple[str, ...]
    known: set[int] | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: dict[Case, Findings] = field(default_factory=dict)
    _seen: defaultdict[str, list[Case]] = field(default_factory=lambda: defaultdict(list))

    def read(self, case: Case) -> tuple[Volume, Volume] | None:
        """Image (C, D, H, W) and label (1, D, H, W) of a case, or None if it has a problem."""
        before, noted = len(self.problems), len(self.notes)
        image = self._try(read_image, case, self.channels)
        label = self._try(read_labels, case.label)
        if image is not None:
            digest = hashlib.sha256(image.array.tobytes()).hexdigest()
            self._seen[digest].append(case)
        if label is not None:
            self._look_at_values(case, label)
        if image is not None and label is not None and not image.same_grid(label):
            first = case.images[0].name
            self.problems.append(f"{case.label}: not on the grid of {first}; resample one onto the other")
        if len(self.problems) > before:
            return None
        self.notes += [f"{case.images[0]}: {note}" for note in image.notes]
        self.findings[case] = Findings(digest, tuple(self.notes[noted:]))
        return image, label

    def recall(self, case: Case, findings: Findings) -> None:
        """Take what was found in a case before, instead of reading it again."""
        self.findings[case] = findings
        self._seen[findings.digest].append(case)
        self.notes += findings.notes

    def _try(self, reader, *arguments):
        try:
            return reader(*arguments)
        except ImageError as error:
            self.problems.append(str(error))
            return None

    def _look_at_values(self, case: Case, label: Volume) -> None:
        values = np.unique(label.array).tolist()
        if self.known is not None and not set(values) <= self.known:
            self.problems.append(
                f"{case.label}: label values {values}, but known are {sorted(self.known)}; "
                "name every structure, or map the values to labels (label_map)"
            )
        if values == [0]:
            self.notes.append(f"{case.label}: no structure in it")
        if _is_float(case):
            self.notes.append(f"{case.label}: whole numbers kept as floats, read as labels")

    def finish(self) -> None:
        """Compare the cases with each other: the same voxels under two names, in two sets, are a leak."""
        for cases in self._seen.values():
            if len(cases) > 1:
                names = ", ".join(f"{case.images[0]} ({case.split or 'no set'})" for case in cases)
                leak = len({case.split for case in cases}) > 1
                (self.problems if leak else self.notes).append(f"{names}: the same voxels; keep one of them")


def _is_float(case: Case) -> bool:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(case.label))
    reader.ReadImageInformation()
    return reader.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64)
