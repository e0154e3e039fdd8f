"""Damage small images of one format and read each: a Volume, or a TrustSegError of one line.

Run as a process of its own, since a reader in C++ may end it:
`python fuzz_images.py FORMAT COUNT FOLDER [SEED]`. What is being read stands in FOLDER/current, so that a
file that ends the process is there afterwards.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from TrustSegLib.errors import TrustSegError
from TrustSegLib.imaging import Volume, read_volume

SEED = 16
WORDS = (
    b"nan",
    b"inf",
    b"-1",
    b"0",
    b"1e9",
    b"9" * 12,
    b"",
    b"x",
    b"1,5",
    b"\xff\xfe",
    b"2147483648",
    b"()",
    b"%",
)
NRRD = """NRRD0004
type: {kind}
dimension: 3
space: left-posterior-superior
sizes: 6 5 4
space directions: (2,0,0) (0,3,0) (0,0,4)
kinds: domain domain domain
endian: little
encoding: {encoding}
space units: "mm" "mm" "mm"
space origin: (1,2,3)

"""
META = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = {compressed}
CompressedDataSize = {size}
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 1 2 3
ElementSpacing = 2 3 4
DimSize = 6 5 4
ElementType = MET_FLOAT
ElementDataFile = LOCAL
"""


def voxels() -> np.ndarray:
    """Voxels (4, 5, 6) of every sample."""
    return np.random.default_rng(SEED).normal(size=(4, 5, 6)).astype("<f4")


def nifti() -> dict[str, bytes]:
    """NIfTI, plain and compressed, with both forms."""
    image = nibabel.Nifti1Image(voxels().T, np.diag([2.0, 3.0, 4.0, 1.0]))
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 1)
    return {"a.nii": image.to_bytes(), "b.nii.gz": gzip.compress(image.to_bytes(), mtime=0)}


def nrrd() -> dict[str, bytes]:
    """NRRD, raw, compressed and as text."""
    raw = voxels().tobytes()
    text = " ".join(f"{value:.3f}" for value in voxels().ravel()).encode()
    contents = {"raw": raw, "gzip": gzip.compress(raw, mtime=0), "ascii": text}
    return {
        f"{name}.nrrd": NRRD.format(kind="float", encoding=name).encode() + content
        for name, content in contents.items()
    }


def meta() -> dict[str, bytes]:
    """MetaImage, plain and compressed."""
    raw = voxels().tobytes()
    packed = zlib.compress(raw)
    return {
        "a.mha": META.format(compressed=False, size=0).encode() + raw,
        "b.mha": META.format(compressed=True, size=len(packed)).encode() + packed,
    }


def dicom() -> dict[str, bytes]:
    """One slice of a series; the others are written beside it, whole."""
    return {"1.dcm": _slice(1)}


def _slice(index: int) -> bytes:
    header = FileMetaDataset()
    header.MediaStorageSOPClassUID = MRImageStorage
    header.MediaStorageSOPInstanceUID = f"1.2.3.{index + 1}"
    header.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=header, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = MRImageStorage, f"1.2.3.{index + 1}", "MR"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.4", "1.2.5"
    data.Rows, data.Columns, data.SamplesPerPixel = 5, 6, 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelSpacing, data.SliceThickness = [3, 2], 4
    data.ImagePositionPatient, data.ImageOrientationPatient = [1, 2, 4 * index], [1, 0, 0, 0, 1, 0]
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.PixelData = np.arange(index, index + 30, dtype="<u2").tobytes()
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[], dict[str, bytes]]] = {
    "nifti": nifti,
    "nrrd": nrrd,
    "meta": meta,
    "dicom": dicom,
}


def damaged(content: bytes, numbers: np.random.Generator, head: int) -> bytes:
    """Content with one to four faults, most of them in its first `head` bytes."""
    data = bytearray(content)
    for _ in range(numbers.integers(1, 5)):
        end = min(head, len(data)) if numbers.random() < 0.8 else len(data)
        place = int(numbers.integers(0, max(end, 1)))
        _FAULTS[numbers.integers(len(_FAULTS))](data, place, numbers)
    return bytes(data)


def _flip(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    data[place : place + 1] = bytes([int(numbers.integers(256))])


def _number(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    extremes = (0, 1, 2**15 - 1, 2**15, 2**16 - 1)
    data[place : place + 2] = int(numbers.choice(extremes)).to_bytes(2, "little")


def _word(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    word = WORDS[numbers.integers(len(WORDS))]
    data[place : place + int(numbers.integers(0, 8))] = word


def _cut(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    del data[place : place + int(numbers.integers(1, 64))]


def _end(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    if numbers.random() < 0.2:
        del data[place:]


def _repeat(data: bytearray, place: int, numbers: np.random.Generator) -> None:
    data[place:place] = data[place : place + int(numbers.integers(1, 64))]


_FAULTS = (_flip, _flip, _number, _word, _word, _cut, _end, _repeat)


def main(name: str, count: int, folder: Path, seed: int = SEED) -> None:
    """Read `count` damaged files of a format; the first wrong outcome is raised."""
    warnings.simplefilter("error")  # of numpy: what is refused is refused before it is computed with
    numbers = np.random.default_rng(seed)
    samples = FORMATS[name]()
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        current = folder / "current"
        shutil.rmtree(current, ignore_errors=True)
        current.mkdir()
        file = list(samples)[number % len(samples)]
        content = damaged(samples[file], numbers, head=900) if number >= len(samples) else samples[file]
        (current / file).write_bytes(content)
        if name == "dicom":
            (current / "0.dcm").write_bytes(_slice(0))
            (current / "2.dcm").write_bytes(_slice(2))
        refusal = _refusal(current if name == "dicom" else current / file)
        outcomes["read" if refusal is None else "refused"] += 1
        if refusal is not None and (number < len(samples) or "\n" in refusal):
            raise SystemExit(f"a whole file is refused, or in more than one line: {refusal}")
    print(outcomes)


def _refusal(path: Path) -> str | None:
    try:
        assert isinstance(read_volume(path), Volume)
    except TrustSegError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
