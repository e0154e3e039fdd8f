"""Small random volumes and files of awkward geometry, written by other libraries."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_volume


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def oblique(numbers) -> Volume:
    """One channel of every size different, anisotropic, turned about two axes."""
    direction = Rotation.from_euler("xz", [12, 20], degrees=True).as_matrix()
    array = numbers.normal(size=(1, 5, 6, 7)).astype(np.float32)
    return Volume(array, (0.9, 1.1, 2.5), (-31.5, 12.25, 100.0), tuple(direction.ravel()))


@pytest.fixture
def refused(capfd):
    """Assert that a path is refused in one line, which says these words, and that nothing is printed."""

    def check(path: Path, *words: str) -> None:
        capfd.readouterr()
        with pytest.raises(ImageError) as caught:
            read_volume(path)
        message = str(caught.value)
        assert message.startswith(str(path))
        # Without the path, which holds the name of the test.
        assert all(word in message.removeprefix(str(path)) for word in words), message
        assert "; " in message, "what to do is missing"
        assert "\n" not in message
        assert "".join(capfd.readouterr()) == ""

    return check


@pytest.fixture
def nifti(tmp_path, numbers):
    """Write a NIfTI file with nibabel, then change fields of its raw header: `nifti(pixdim=(1, 0))`."""

    def write(name="image.nii", array=None, affine=None, forms=("qform", "sform"), **fields) -> Path:
        array = numbers.normal(size=(6, 7, 8)).astype(np.float32) if array is None else array
        affine = np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine
        image = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
        image.set_qform(affine, 1 if "qform" in forms else 0)
        image.set_sform(affine, 1 if "sform" in forms else 0)
        path = tmp_path / name
        nibabel.save(image, path)
        return edit_nifti(path, **fields) if fields else path

    return write


def edit_nifti(path: Path, **fields) -> Path:
    """Set fields of an uncompressed NIfTI-1 file as they are; a tuple (index, value) sets one element."""
    raw = path.read_bytes()
    header = nibabel.Nifti1Header(raw[:348], check=False)
    for name, value in fields.items():
        if isinstance(value, tuple):
            header[name][value[0]] = value[1]
        else:
            header[name] = value
    path.write_bytes(header.binaryblock + raw[348:])
    return path


@pytest.fixture
def text_image(tmp_path, numbers):
    """Write an NRRD or MetaImage file with the given header lines: `text_image("a.mha", {...}, voxels)`."""

    def write(name: str, fields: dict[str, str], voxels: bytes) -> Path:
        path = tmp_path / name
        separator, first, end = (
            (": ", "NRRD0004\n", "\n") if name.endswith(("nrrd", "nhdr")) else (" = ", "", "")
        )
        lines = "".join(f"{key}{separator}{value}\n" for key, value in fields.items() if value is not None)
        path.write_bytes((first + lines + end).encode() + voxels)
        return path

    return write


@pytest.fixture
def nrrd(text_image, numbers):
    """Write an NRRD file of 6 x 5 x 4 voxels of 2 x 3 x 4 mm; None leaves a line out."""
    good = {
        "type": "float",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "6 5 4",
        "space directions": "(2,0,0) (0,3,0) (0,0,4)",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(1,2,3)",
    }
    voxels = numbers.normal(size=120).astype("<f4").tobytes()
    return lambda name="image.nrrd", voxels=voxels, **changes: text_image(
        name, good | {key.replace("_", " "): value for key, value in changes.items()}, voxels
    )


@pytest.fixture
def meta(text_image, numbers):
    """Write a MetaImage file of 6 x 5 x 4 voxels of 2 x 3 x 4 mm; None leaves a line out."""
    good = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "2 3 4",
        "DimSize": "6 5 4",
        "ElementType": "MET_FLOAT",
    }
    voxels = numbers.normal(size=120).astype("<f4").tobytes()
    return lambda name="image.mha", voxels=voxels, ElementDataFile="LOCAL", **changes: text_image(
        name, good | changes | {"ElementDataFile": ElementDataFile}, voxels
    )


@pytest.fixture
def series(tmp_path, numbers):
    """Write CT slices with pydicom: `series(positions)` gives the folder of files 0.dcm, 1.dcm, ..."""

    def write(positions, folder="series", uid=None, axes=(1, 0, 0, 0, 1, 0), first=0, **fields) -> Path:
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        uid = uid or generate_uid()
        for index, position in enumerate(positions, start=first):
            pixels = numbers.integers(0, 2000, (5, 6)).astype(np.int16)
            write_slice(path / f"{index}.dcm", pixels, position, axes, uid, fields)
        return path

    return write


def write_slice(path: Path, pixels: np.ndarray, position, axes, uid: str, fields: dict) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality = uid, "1.2.3", "CT"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelSpacing, data.SliceThickness = [2, 3], 4
    data.ImagePositionPatient, data.ImageOrientationPatient = list(position), list(axes)
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.PixelData = pixels.tobytes()
    for name, value in fields.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
