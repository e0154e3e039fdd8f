"""Read a folder of one DICOM series, if its slices form a regular volume."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from TrustSegLib.imaging.checks import COPY_AGAIN, check_axes, check_spacing, image_error
from TrustSegLib.imaging.dicom_files import declared_class, dicom_head, image_series, is_uncompressed

_POSITION, _ORIENTATION, _PIXEL_SPACING = "0020|0032", "0020|0037", "0028|0030"
_SOP_CLASS, _DESCRIPTION = "0008|0016", "0008|103e"
_PHOTOMETRIC, _MODALITY, _BODY_PART = "0028|0004", "0008|0060", "0018|0015"
_SIGN, _BITS = "0028|0103", "0028|0101"
_QUANTITIES = ("CT", "PT")  # modalities whose values have a unit, however they are shown
INVERTED = "the DICOM slices show low values white (MONOCHROME1): they were inverted"
_RESCALE = ("0028|1053", "0028|1052")
_SAME_AXES = 1e-3  # of a cosine or of a mm: what scanners round by between slices
_SAME_PLACE_MM = 0.01
_UNEVEN = 0.1  # of the slice distance


class _Slice(NamedTuple):
    """Header of one slice."""

    path: Path
    position: np.ndarray  # (3,) center of the first pixel, LPS mm
    axes: np.ndarray  # (2, 3) cosines of the row and the column, LPS
    pixel_spacing: np.ndarray  # (2,) mm
    size: tuple[int, ...]
    rescale: tuple[str, ...]  # slope and intercept, as written
    is_inverted: bool  # its lowest values are to be shown white, for which GDCM inverts them
    is_quantity: bool
    last_stored: int  # what GDCM takes the stored values from to invert them


class Series(NamedTuple):
    """Image of a DICOM series, and what its header says beside the voxels.

    Attributes
    ----------
    image : sitk.Image
        In the unit of the modality (HU for CT), with slope and intercept of each slice applied. Slices of
        MONOCHROME1, whose lowest values are to be shown white (PS3.3 C.7.6.3.1.2), are inverted, so that
        bright is white as in any other image; those of CT and PET are not, as their values are quantities.
    modality, body_part : str
        Of the first slice; empty if it has none.
    notes : tuple of str
        For the reader.
    """

    image: sitk.Image
    modality: str
    body_part: str
    notes: tuple[str, ...] = ()


def read_series(folder: Path) -> Series:
    """Read the one DICOM series that lies in a folder.

    Parameters
    ----------
    folder : Path
        Its subfolders and files of other kinds are ignored.

    Returns
    -------
    Series
        Its image and header.

    Raises
    ------
    ImageError
        There is no series or more than one, or its slices are damaged, missing, unevenly spaced, shifted
        sideways or of different geometry.
    """
    names = _series_files(folder)
    _check_none_damaged(folder, names)
    slices = [_read_slice(Path(name)) for name in names]
    _check_alike(folder, slices)
    _check_positions(folder, slices)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    if len({each.rescale for each in slices}) > 1:
        # The first slice determines the type: integers there would truncate the fractions of the others.
        reader.SetOutputPixelType(sitk.sitkFloat32)
    header = _header(names[0])
    series = Series(reader.Execute(), _text(header, _MODALITY), _text(header, _BODY_PART).upper())
    if not slices[0].is_inverted:
        return series
    if slices[0].is_quantity:
        return series._replace(image=_restored(folder, series.image, slices))
    return series._replace(notes=(INVERTED,))


def _restored(folder: Path, image: sitk.Image, slices: list[_Slice]) -> sitk.Image:
    """Undo GDCM's inversion of stored values p: to 2^bits - 1 - p, or to -1 - p if they have a sign."""
    array = sitk.GetArrayFromImage(image)
    if array.ndim != 3 or not all(is_uncompressed(each.path) for each in slices):
        wrong = "compressed DICOM slices of quantities whose low values are white (MONOCHROME1)"
        raise image_error(folder, wrong, "export the series again as MONOCHROME2")
    for index, each in enumerate(slices):
        slope, intercept = (*map(float, each.rescale), 1.0, 0.0)[:2] if len(each.rescale) == 2 else (1.0, 0.0)
        array[index] = (slope * each.last_stored + 2 * intercept - array[index]).astype(array.dtype)
    restored = sitk.GetImageFromArray(array)
    restored.CopyInformation(image)
    return restored


def _series_files(folder: Path) -> tuple[str, ...]:
    """Files of the only series, in the order of their positions."""
    series = image_series(folder)
    if not series:
        remedy = "give the folder that holds the slices themselves"
        raise image_error(folder, "a folder without a DICOM image series", remedy)
    if len(series) > 1:
        listed = ", ".join(f"{_description(names[0])} ({len(names)} files)" for names in series)
        wrong = f"a folder with {len(series)} DICOM series: {listed}"
        raise image_error(folder, wrong, "give each its own folder")
    return series[0]


def _description(name: str) -> str:
    """Description of a series on one line, with invalid characters replaced."""
    header = _header(name)
    text = header.GetMetaData(_DESCRIPTION) if header.HasMetaDataKey(_DESCRIPTION) else ""
    return " ".join(text.encode("utf-8", "replace").decode().split()) or "without description"


def _header(name: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(name)
    reader.ReadImageInformation()
    return reader


def _text(header: sitk.ImageFileReader, tag: str) -> str:
    return header.GetMetaData(tag).strip("\0 ") if header.HasMetaDataKey(tag) else ""


def _bits(header: sitk.ImageFileReader) -> int:
    """Bits of a stored value; 16 where the header does not say."""
    text = _text(header, _BITS)
    return int(text) if text.isdecimal() else 16


def _check_none_damaged(folder: Path, names: tuple[str, ...]) -> None:
    """Refuse slices that GDCM cannot read, as it skips them silently."""
    sop_class = _header(names[0]).GetMetaData(_SOP_CLASS).strip("\0 ")
    same_kind = re.compile(re.escape(sop_class.encode()) + rb"[^.0-9]")
    read = {Path(name).name for name in names}
    for path in sorted(folder.iterdir()):
        if path.name not in read and path.is_file() and (head := dicom_head(path)) is not None:
            declared = declared_class(head)
            # A list of files (DICOMDIR) mentions the class of the slices, but declares its own.
            if declared == sop_class or (not declared and same_kind.search(head)):
                raise image_error(path, "a damaged or truncated DICOM slice", COPY_AGAIN)


def _read_slice(path: Path) -> _Slice:
    header = _header(str(path))
    if len(header.GetSize()) > 3 or header.GetSize()[2:] > (1,):
        remedy = "convert it to NIfTI, for example with dcm2niix"
        raise image_error(path, "a DICOM file with many frames", remedy)

    def numbers(tag: str, count: int) -> np.ndarray:
        text = header.GetMetaData(tag) if header.HasMetaDataKey(tag) else ""
        words = [number.strip() for number in text.split("\\") if number.strip()]
        where = f"tag {tag.replace('|', ',')}"
        if len(words) != count:
            wrong = f"a DICOM slice without position, orientation or pixel size ({where})"
            raise image_error(path, wrong, "export the series again")
        return np.array([_number(path, word, where) for word in words])

    return _Slice(
        path=path,
        position=numbers(_POSITION, 3),
        axes=numbers(_ORIENTATION, 6).reshape(2, 3),
        pixel_spacing=numbers(_PIXEL_SPACING, 2),
        size=header.GetSize(),
        rescale=tuple(header.GetMetaData(tag).strip() for tag in _RESCALE if header.HasMetaDataKey(tag)),
        is_inverted=_text(header, _PHOTOMETRIC) == "MONOCHROME1",
        is_quantity=_text(header, _MODALITY) in _QUANTITIES,
        last_stored=-1 if _text(header, _SIGN) == "1" else 2 ** _bits(header) - 1,
    )


def _number(path: Path, word: str, where: str) -> float:
    """A number of a header, such as 1.5; some systems write 1,5, which DICOM does not allow."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        wrong = f"its DICOM header has {word[:20]!a} where a number is needed ({where})"
        raise image_error(path, wrong, "export the series again, with decimal points")
    return value


def _check_alike(folder: Path, slices: list[_Slice]) -> None:
    """Refuse slices of different size, pixel size or orientation: SimpleITK takes those of the first."""
    first = slices[0]
    check_spacing(first.path, first.pixel_spacing)
    check_axes(first.path, np.column_stack([*first.axes, np.cross(*first.axes)]))
    for each in slices[1:]:
        alike = (
            each.size == first.size
            and each.is_inverted == first.is_inverted
            and np.allclose(each.pixel_spacing, first.pixel_spacing, atol=_SAME_AXES)
            and np.allclose(each.axes, first.axes, atol=_SAME_AXES)
        )
        if not alike:
            wrong = f"slices {first.path.name} and {each.path.name} differ in size or orientation"
            raise image_error(folder, wrong, "give each image its own folder")


def _check_positions(folder: Path, slices: list[_Slice]) -> None:
    """Refuse slices that are not stacked evenly along their normal."""
    if len(slices) < 2:
        raise image_error(folder, "a DICOM series of one slice", "give the whole series")
    normal = np.cross(*slices[0].axes)
    positions = np.array([each.position for each in slices])
    positions = positions[np.argsort(positions @ normal)]
    distances = np.diff(positions @ normal)
    sideways = positions - positions[0] - np.outer((positions - positions[0]) @ normal, normal)
    if distances.min() < _SAME_PLACE_MM:
        wrong = "several DICOM slices lie at the same place (time points or echoes)"
        raise image_error(folder, wrong, "give each image its own folder")
    if np.linalg.norm(sideways, axis=1).max() > slices[0].pixel_spacing.min() / 2:
        wrong = "its DICOM slices are shifted sideways (tilted gantry)"
        raise image_error(folder, wrong, "resample it to a grid with right angles, for example in 3D Slicer")
    usual = float(np.median(distances))
    worst = float(max(distances, key=lambda distance: abs(distance - usual)))
    if abs(worst - usual) > _UNEVEN * usual:
        gaps = f"{worst:g} mm apart at one place, {usual:g} mm elsewhere"
        wrong = f"its DICOM slices are missing or unevenly spaced ({gaps})"
        raise image_error(folder, wrong, "export the whole series again")
