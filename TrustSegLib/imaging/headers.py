"""Checks of image files before SimpleITK reads them.

SimpleITK silently repairs faults that move, resize or empty the anatomy: a voxel size of 0 becomes 1, a
negative one a flip, a missing direction the identity, and the lost part of a truncated NIfTI file zeros.
Each of these is an error here.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.spatialimages import HeaderDataError

from TrustSegLib.contract import LPS_FROM_RAS
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.checks import (
    COPY_AGAIN,
    FIX_GEOMETRY,
    check_axes,
    check_dimension,
    check_finite,
    check_spacing,
    image_error,
    shear_of,
)
from TrustSegLib.imaging.volume import corner_distance

_CHUNK = 1 << 20
_VECTOR_INTENT = 1007  # NIFTI_INTENT_VECTOR: the fifth dimension is the channel
_SPACING_TOLERANCE = 0.01  # pixdim and the columns of the sform are rounded separately
_QUATERNION_ROUNDING = 1e-4
_SLIGHT_SHEAR = 0.02  # of a cosine, about 1 degree
_EXACT_SHEAR = 1e-4  # ITK refuses axes that are farther from right angles
_NIFTI_UNITS = {1: ("meters", 1000.0), 3: ("micrometers", 0.001)}  # SimpleITK converts them
_UNITS_MM = {"": 1.0, "?": 1.0, "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0}
_UNITS_MM |= dict.fromkeys(("meter", "meters", "metre", "metres"), 1000.0)
_UNITS_MM |= dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), 0.001)
_NRRD_SPACES = re.compile(r"(left|right)-(posterior|anterior)-superior|lps|ras|las", re.IGNORECASE)
_GZIP = zlib.MAX_WBITS | 16  # zlib's code of a gzip stream
_AUTOMATIC = 32  # and of either a gzip or a zlib stream
_NRRD_SYNONYMS = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
_NRRD_BYTES = {
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    "float": 4,
    "double": 8,
}
"""Bytes of a number of each type and its synonyms; of any other, 1 at least."""
_NRRD_ENCODINGS = ("raw", "gzip", "gz", "txt", "text", "ascii", "hex")
NO_ORIGIN = "the file gives no origin: 0, 0, 0 mm was taken, so that its position in the patient is not known"
_META_SYNONYMS = {
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "Position": "Offset",
    "Origin": "Offset",
}
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class Reading:
    """How to read a file beyond what SimpleITK makes of it.

    Attributes
    ----------
    notes : tuple of str
        What a person should know about the image.
    unit_mm : float
        Millimeters in the header's unit of length, where SimpleITK does not convert it.
    placement : np.ndarray or None
        (4, 4) matrix from a voxel index (x, y, z, 1) to LPS mm, where that of SimpleITK is wrong.
    """

    notes: tuple[str, ...] = ()
    unit_mm: float = 1.0
    placement: np.ndarray | None = None


def check_header(path: Path, suffix: str, fourth_axis_is_channel: bool = False) -> Reading:
    """Refuse a file whose header is wrong or ambiguous, or whose voxels are incomplete.

    Parameters
    ----------
    path : Path
        An existing file.
    suffix : str
        File type, one of ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd".
    fourth_axis_is_channel : bool
        Whether NIfTI may have four dimensions.

    Returns
    -------
    Reading
        How the file is to be read.

    Raises
    ------
    ImageError
        In one line that names the file, what is wrong and what to do.
    """
    try:
        if suffix.startswith(".nii"):
            return _check_nifti(path, suffix.endswith(".gz"), fourth_axis_is_channel)
        return _check_nrrd(path) if suffix in (".nrrd", ".nhdr") else _check_meta(path)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise image_error(path, "truncated or damaged, it cannot be uncompressed", COPY_AGAIN) from None
    except (ArithmeticError, LookupError, ValueError, HeaderDataError):
        raise image_error(path, "its header is damaged", COPY_AGAIN) from None


def _check_nifti(path: Path, compressed: bool, fourth_axis_is_channel: bool) -> Reading:
    with (gzip.open if compressed else open)(path, "rb") as stream:
        header = _nifti_header(path, stream.read(Nifti2Header.sizeof_hdr))
        shape = header["dim"][1 : header["dim"][0] + 1].tolist()
        dimension = _nifti_dimension(shape, header["intent_code"])
        check_dimension(path, 3 if dimension == 4 and fourth_axis_is_channel else dimension)
        unit, unit_mm = _NIFTI_UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
        check_spacing(path, header["pixdim"][1:4] * unit_mm, unit)
        reading = _check_nifti_forms(path, header, unit_mm)
        start = int(header["vox_offset"])
        if start < header.single_vox_offset:  # SimpleITK would start 4 bytes early, in the header
            raise image_error(path, f"the header puts the voxels at byte {start}, within itself", COPY_AGAIN)
        stream.seek(start)
        _check_nifti_voxels(path, stream, math.prod(shape), header.get_data_dtype())
        return reading


def _nifti_header(path: Path, head: bytes) -> Nifti1Header:
    if Nifti2Header.may_contain_header(head):
        raise image_error(path, "a NIfTI-2 file", "convert it to NIfTI-1")
    if not Nifti1Header.may_contain_header(head):
        raise image_error(path, "not a NIfTI file, or damaged", COPY_AGAIN)
    return Nifti1Header(head[: Nifti1Header.sizeof_hdr], check=False)


def _nifti_dimension(shape: list[int], intent: int) -> int:
    """Number of dimensions, without the channels of a vector image and trailing axes of length 1."""
    if len(shape) == 5 and intent == _VECTOR_INTENT:
        shape = shape[:4]
    return max((index + 1 for index, count in enumerate(shape) if count != 1 or index < 3), default=0)


def _check_nifti_forms(path: Path, header: Nifti1Header, unit_mm: float) -> Reading:
    """Refuse qform and sform that are both missing, contradict pixdim or each other, or are sheared.

    An affine registration leaves an sform that is sheared a little, beside the scanner's qform: the image is
    then read by the qform, which cannot be sheared.
    """
    _shorten_quaternion(header)
    if header["pixdim"][0] == 0:
        header["pixdim"][0] = 1  # so the standard reads a qfac of 0
    forms = {"qform": header.get_qform(coded=True)[0], "sform": header.get_sform(coded=True)[0]}
    forms = {name: form for name, form in forms.items() if form is not None}
    if not forms:
        raise _unknown_place(path, "qform or sform")
    spacing = header["pixdim"][1:4].astype(float)
    for name, form in forms.items():
        if not np.isfinite(form).all():
            raise image_error(path, f"the header's {name} holds NaN or infinity", FIX_GEOMETRY)
        lengths = np.linalg.norm(form[:3, :3], axis=0)
        if not np.allclose(lengths, spacing, rtol=_SPACING_TOLERANCE):
            wrong = f"the header's {name} and pixdim give different voxel sizes"
            raise image_error(path, wrong, FIX_GEOMETRY)
        shear = shear_of(form[:3, :3] / lengths)
        if len(forms) < 2 or shear > _SLIGHT_SHEAR:
            check_axes(path, form[:3, :3] / lengths)
    apart = corner_distance(*forms.values(), header["dim"][1:4]) if len(forms) == 2 else 0.0
    # The last form is the sform: what its shear alone can move is no contradiction.
    sheared_by = float(np.linalg.norm(spacing * header["dim"][1:4])) * shear
    is_sheared = len(forms) == 2 and shear > _EXACT_SHEAR
    if apart > max(spacing.min() / 2, sheared_by if is_sheared else 0.0):
        wrong = (
            f"the header's qform and sform put the image at two places up to {apart * unit_mm:.1f} mm apart"
        )
        raise image_error(path, wrong, "remove the wrong one")
    if not is_sheared:
        return Reading()
    placement = np.diag((*LPS_FROM_RAS, 1.0)) @ forms["qform"]
    placement[:3] *= unit_mm
    note = (
        f"the header's sform is sheared, so that the image was placed by its qform; the two are up to "
        f"{apart * unit_mm:.1f} mm apart"
    )
    return Reading((note,), placement=placement)


def _check_nifti_voxels(path: Path, stream: BinaryIO, count: int, kind: np.dtype) -> None:
    """Refuse voxels that are missing or not finite: SimpleITK reads both as zeros."""
    needed = count * kind.itemsize
    there = bad = 0
    for chunk in _chunks(stream):
        voxels = chunk[: max(needed - there, 0)]  # more may follow the voxels
        there += len(chunk)
        if kind.kind == "f":
            values = np.frombuffer(voxels, kind, len(voxels) // kind.itemsize)
            bad += int(np.count_nonzero(~np.isfinite(values)))
    _check_length(path, there, needed)
    check_finite(path, bad)


def _shorten_quaternion(header: Nifti1Header) -> None:
    """Normalize a quaternion that is longer than 1 by rounding, which nibabel alone does not accept."""
    names = ("quatern_b", "quatern_c", "quatern_d")
    length = math.hypot(*(header[name] for name in names))
    if 1 < length < 1 + _QUATERNION_ROUNDING:
        for name in names:
            header[name] /= length


def _check_nrrd(path: Path) -> Reading:
    lines, start = _text_header(path, "")
    if not lines[0].startswith("NRRD000"):
        raise image_error(path, "not an NRRD file, or damaged", COPY_AGAIN)
    fields = dict(_nrrd_field(line) for line in lines if ": " in line and not line.startswith("#"))
    if "color" in fields.get("kinds", ""):
        raise image_error(path, "a color image", "save it as gray values")
    vectors = [_numbers(vector) for vector in re.findall(r"\((.*?)\)", fields.get("space directions", ""))]
    if vectors:
        check_dimension(path, len(vectors))
    if not vectors or not _NRRD_SPACES.fullmatch(fields.get("space", "")):
        raise _unknown_place(path, "anatomical space and space directions")
    spacing = np.linalg.norm(vectors, axis=1)
    units = set(re.findall(r'"(.*?)"', fields.get("space units", "")))
    unit_mm = _unit_mm(path, units)
    check_spacing(path, spacing * unit_mm, "" if unit_mm == 1 else ", ".join(units))
    check_axes(path, np.transpose(vectors) / spacing)
    _check_origin(path, fields.get("space origin", "(0,0,0)").strip("()"))
    _check_nrrd_voxels(path, fields, start)
    return Reading(() if "space origin" in fields else (NO_ORIGIN,), unit_mm)


def _nrrd_field(line: str) -> tuple[str, str]:
    """Name and value of a line of an NRRD header; names have synonyms and may be of capitals."""
    name, value = line.split(": ", 1)
    name = name.strip().lower()
    return _NRRD_SYNONYMS.get(name, name), value.strip()


def _unit_mm(path: Path, units: set[str]) -> float:
    """Millimeters in the one unit of all axes."""
    lengths = {_UNITS_MM.get(unit.strip().lower()) for unit in units} or {1.0}
    if len(lengths) > 1 or None in lengths:
        wrong = f"its unit of length is not known ({', '.join(sorted(units))})"
        raise image_error(path, wrong, "save it in millimeters")
    return lengths.pop()


def _check_nrrd_voxels(path: Path, fields: dict[str, str], start: int) -> None:
    """Refuse voxels that are missing or, by their CRC, damaged: SimpleITK does not check that."""
    sizes = [int(count) for count in fields["sizes"].split()]
    needed = math.prod(sizes) * _NRRD_BYTES.get(fields["type"].lower(), 1)
    if min(sizes) <= 0:
        raise image_error(path, "its header gives no voxels", COPY_AGAIN)
    name, encoding = fields.get("data file"), fields.get("encoding", "raw").lower()
    if encoding not in _NRRD_ENCODINGS:
        wrong = f"its voxels have the encoding {encoding[:20]!a}, which SimpleITK does not read"
        raise image_error(path, wrong, "save it with the encoding gzip or raw, for example with pynrrd")
    if name is not None and (name.startswith("LIST") or "%" in name):
        return  # several files, which the reader finds; it checks that each is long enough
    data = path if name is None else path.parent / name
    if not data.is_file():
        wrong = f"cannot be read, its voxels are not there ({name})"
        raise image_error(path, wrong, "put that file beside it")
    with data.open("rb") as stream:
        stream.seek(start if name is None else 0)
        for _ in range(int(fields.get("line skip", 0))):
            stream.readline()
        if encoding in ("gzip", "gz"):
            _check_length(path, _inflated_length(stream, _GZIP), needed)
        elif encoding == "raw":
            _check_length(path, sum(map(len, _chunks(stream))), needed)


def _check_meta(path: Path) -> Reading:
    lines, start = _text_header(path, "ElementDataFile")
    pairs = [[part.strip() for part in line.partition("=")[::2]] for line in lines]
    fields = {_META_SYNONYMS.get(key, key): value for key, value in pairs}
    sizes = fields["DimSize"].split()
    dimension = len(sizes)
    if int(fields["NDims"]) != dimension or len(fields) < len(pairs):
        # MetaIO makes its own choice of two, and crashes at more dimensions than it has room for.
        raise image_error(path, "its header is damaged or says a thing twice", COPY_AGAIN)
    check_dimension(path, 3 if dimension == 4 and sizes[3] == "1" else dimension)  # one time point
    if not {"ElementSpacing", "TransformMatrix"} <= set(fields):
        raise _unknown_place(path, "ElementSpacing and TransformMatrix")
    unit = fields.get("DistanceUnits", "")
    unit_mm = _unit_mm(path, {unit})
    check_spacing(path, _numbers(fields["ElementSpacing"])[:3] * unit_mm, "" if unit_mm == 1 else unit)
    check_axes(path, _numbers(fields["TransformMatrix"]).reshape(dimension, dimension)[:3, :3].T)
    _check_origin(path, fields.get("Offset", "0 0 0"))
    _check_meta_voxels(path, fields, start)
    return Reading(() if "Offset" in fields else (NO_ORIGIN,), unit_mm)


def _check_meta_voxels(path: Path, fields: dict[str, str], start: int) -> None:
    """Refuse voxels that are missing: MetaIO accepts them, or prints messages of its own."""
    name = fields["ElementDataFile"]
    data = path if name == "LOCAL" else path.parent / name
    if not data.is_file() or not _is_true(fields.get("BinaryData", "True")):
        wrong = f"its voxels are not in one binary file ({name})"
        raise image_error(path, wrong, "put that file beside it, or save it as .mha")
    kind = re.sub(r"^MET_(U(?=\w))?|_ARRAY$", "", fields["ElementType"])
    if kind not in _META_BYTES:
        wrong = f"its ElementType {fields['ElementType']} is not known"
        raise image_error(path, wrong, "save it as MET_FLOAT")
    channels = int(fields.get("ElementNumberOfChannels", 1))
    needed = math.prod(int(count) for count in fields["DimSize"].split()) * channels * _META_BYTES[kind]
    with data.open("rb") as stream:
        stream.seek(start if name == "LOCAL" else 0)
        if _is_true(fields.get("CompressedData", "False")):
            _check_length(path, _inflated_length(stream, zlib.MAX_WBITS | _AUTOMATIC), needed)
        else:
            _check_length(path, sum(map(len, _chunks(stream))), needed)


def _is_true(text: str) -> bool:
    """Whether MetaIO takes a value as true: it looks at the first letter."""
    return text[:1] in ("T", "t", "1")


def _check_length(path: Path, there: int, needed: int) -> None:
    if needed <= 0:
        raise image_error(path, "its header gives no voxels", COPY_AGAIN)
    if there < needed:
        wrong = f"truncated, {max(there, 0)} of {needed} bytes of voxels are there"
        raise image_error(path, wrong, COPY_AGAIN)


def _check_origin(path: Path, text: str) -> None:
    if not np.isfinite(_numbers(text)).all():
        raise image_error(path, "the header gives no position (NaN or infinity)", FIX_GEOMETRY)


def _unknown_place(path: Path, field: str) -> ImageError:
    wrong = f"the header does not say how the image lies in the patient (no {field})"
    return image_error(path, wrong, FIX_GEOMETRY)


def _numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in re.split(r"[,\s]+", text.strip())])


def _text_header(path: Path, last: str) -> tuple[list[str], int]:
    """Lines up to one that begins with `last` (or is empty, if `last` is), and their length in bytes."""
    lines = []
    with path.open("rb") as stream:
        for line in stream:
            lines.append(line.decode("utf-8", "replace").strip())
            if lines[-1] == last or (last and lines[-1].startswith(last)):
                break
        return lines or [""], stream.tell()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Read the rest in chunks; decompressing a gzip stream to its end proves that it is complete."""
    return iter(lambda: stream.read(_CHUNK), b"")


def _inflated_length(stream: BinaryIO, format_bits: int) -> int:
    """Bytes of a compressed stream; zlib checks its checksum at the end, which has to be there."""
    inflater = zlib.decompressobj(format_bits)
    length = 0
    for chunk in _chunks(stream):
        length += len(inflater.decompress(chunk))
        if inflater.eof:
            break
    if not inflater.eof:
        raise EOFError
    return length
