"""Checks, before the work, that DICOM results can be written."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging.dicom_files import image_series
from TrustSegLib.imaging.image_files import quiet_itk

INSTALL = "pip install 'trustseg[dicom]'"


def check_dicom_output(images: Iterable[Path]) -> None:
    """Check that highdicom is installed and every image is a DICOM series.

    Parameters
    ----------
    images : iterable of Path
        To be segmented.

    Raises
    ------
    OptionError
        The package is missing, or an image is not a folder that holds a DICOM series.
    """
    require_highdicom()
    for image in images:
        series_files(image)


def require_highdicom() -> None:
    """Raise an `OptionError` with the pip command if highdicom is not installed."""
    if find_spec("highdicom") is None:
        raise OptionError(f"DICOM results need the package highdicom, which is not installed; run: {INSTALL}")


def series_files(series: Path) -> tuple[Path, ...]:
    """List the files of the first DICOM series in a folder, in the order of the image reader.

    Raises
    ------
    OptionError
        There is none.
    """
    with quiet_itk():
        found = image_series(series) if series.is_dir() else []
    if not found:
        raise OptionError(
            f"{series}: is not a folder with a DICOM series, to which DICOM results could refer; leave out "
            "--dicom-seg and --rtstruct, or give the folder of the series"
        )
    return tuple(Path(name) for name in found[0])
