"""Read the image of a case with the channels that the network wants, and its label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_volume
from TrustSegLib.imaging.checks import check_intensities

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
    if not path.name.lower().endswith((".nii", ".nii.gz")) or _dimensions(path) != 4:
        return read_volume(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ImageError(f"{path}: cannot be read; copy or export it again") from error
    volumes = [Volume.from_sitk(image[:, :, :, index]) for index in range(image.GetSize()[3])]
    volume = volumes[0].with_array(np.concatenate([volume.array for volume in volumes]))
    check_intensities(path, volume)
    return volume


def _dimensions(path: Path) -> int | None:
    """Number of dimensions that the header says; None if it cannot be read, which `read_volume` explains."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader.GetDimension()
