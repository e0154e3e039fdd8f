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
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.spatialimages import HeaderDataError

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging.checks import (
    COPY_AGAIN,
    FIX_GEOMETRY,
    check_axes,
    check_dimension,
    check_finite,
    check_spacing,
    image_error,
)
from TrustSegLib.imaging.volume import corner_distance

_CHUNK = 1 << 20
_VECTOR_INTENT = 1007  # NIFTI_INTENT_VECTOR: the fifth dimension is the channel
_SPACING_TOLERANCE = 0.01  # pixdim and the columns of the sform are rounded separately
_QUATERNION_ROUNDING = 1e-4
_NRRD_SPACES = re.compile(r"(left|right)-(posterior|anterior)-superior|lps|ras|las", re.IGNORECASE)
_META_SYNONYMS = {
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "Position": "Offset",
    "Origin": "Offset",
}
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def check_header(path: Path, suffix: str) -> None:
    """Refuse a file whose header is wrong or ambiguous, or whose voxels are incomplete.

    Parameters
    ----------
    path : Path
        An existing file.
    suffix : str
        File type, one of ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd".

    Raises
    ------
    ImageError
        In one line that names the file, what is wrong and what to do.
    """
    try:
        if suffix.startswith(".nii"):
            _check_nifti(path, compressed=suffix.endswith(".gz"))
        elif suffix in (".nrrd", ".nhdr"):
            _check_nrrd(path)
        else:
            _check_meta(path)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise image_error(path, "truncated or damaged, it cannot be uncompressed", COPY_AGAIN) from None
    except (ValueError, KeyError, HeaderDataError):
        raise image_error(path, "its header is damaged", COPY_AGAIN) from None


def _check_nifti(path: Path, compressed: bool) -> None:
    with (gzip.open if compressed else open)(path, "rb") as stream:
        header = _nifti_header(path, stream.read(Nifti2Header.sizeof_hdr))
        shape = header["dim"][1 : header["dim"][0] + 1].tolist()
        check_dimension(path, _nifti_dimension(shape, header["intent_code"]))
        check_spacing(path, header["pixdim"][1:4])
        _check_nifti_forms(path, header)
        start = int(header["vox_offset"])
        if start < header.single_vox_offset:  # SimpleITK would start 4 bytes early, in the header
            raise image_error(path, f"the header puts the voxels at byte {start}, within itself", COPY_AGAIN)
        stream.seek(start)
        _check_nifti_voxels(path, stream, math.prod(shape), header.get_data_dtype())


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


def _check_nifti_forms(path: Path, header: Nifti1Header) -> None:
    """Refuse qform and sform that are both missing, contradict pixdim or each other, or are sheared."""
    _shorten_quaternion(header)
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
        check_axes(path, form[:3, :3] / lengths)
    apart = corner_distance(*forms.values(), header["dim"][1:4]) if len(forms) == 2 else 0.0
    if apart > spacing.min() / 2:
        wrong = f"the header's qform and sform put the image at two places up to {apart:.1f} mm apart"
        raise image_error(path, wrong, "remove the wrong one")


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


def _check_nrrd(path: Path) -> None:
    lines, _ = _text_header(path, "")
    if not lines[0].startswith("NRRD000"):
        raise image_error(path, "not an NRRD file, or damaged", COPY_AGAIN)
    fields = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))
    if "color" in fields.get("kinds", ""):
        raise image_error(path, "a color image", "save it as gray values")
    vectors = [_numbers(vector) for vector in re.findall(r"\((.*?)\)", fields.get("space directions", ""))]
    if vectors:
        check_dimension(path, len(vectors))
    if not vectors or not _NRRD_SPACES.fullmatch(fields.get("space", "")):
        raise _unknown_place(path, "anatomical space and space directions")
    spacing = np.linalg.norm(vectors, axis=1)
    check_spacing(path, spacing)
    check_axes(path, np.transpose(vectors) / spacing)
    _check_origin(path, fields.get("space origin", "(0,0,0)").strip("()"))


def _check_meta(path: Path) -> None:
    lines, start = _text_header(path, "ElementDataFile")
    pairs = [[part.strip() for part in line.partition("=")[::2]] for line in lines]
    fields = {_META_SYNONYMS.get(key, key): value for key, value in pairs}
    check_dimension(path, len(fields["DimSize"].split()))
    if not {"ElementSpacing", "TransformMatrix"} <= set(fields):
        raise _unknown_place(path, "ElementSpacing and TransformMatrix")
    check_spacing(path, _numbers(fields["ElementSpacing"]))
    check_axes(path, _numbers(fields["TransformMatrix"]).reshape(3, 3).T)
    _check_origin(path, fields.get("Offset", "0 0 0"))
    _check_meta_voxels(path, fields, start)


def _check_meta_voxels(path: Path, fields: dict[str, str], start: int) -> None:
    """Refuse voxels that are missing: MetaIO accepts them, or prints messages of its own."""
    name = fields["ElementDataFile"]
    data = path if name == "LOCAL" else path.parent / name
    if not data.is_file() or fields.get("BinaryData", "True") != "True":
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
        inflate = fields.get("CompressedData", "False") == "True"
        _check_length(path, _inflated_length(stream) if inflate else sum(map(len, _chunks(stream))), needed)


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


def _inflated_length(stream: BinaryIO) -> int:
    inflater = zlib.decompressobj()
    length = sum(len(inflater.decompress(chunk)) for chunk in _chunks(stream))
    return length + len(inflater.flush())
