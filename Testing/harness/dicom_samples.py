"""DICOM series as a scanner writes them, and folders of several as a hospital exports them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def write_series(
    folder: Path,
    voxels: np.ndarray,
    spacing: tuple[float, ...] = (1, 1, 1),
    origin: tuple[float, ...] = (0, 0, 0),
    direction: tuple[float, ...] = IDENTITY,
    first: int = 0,
    **fields: str | None,
) -> Path:
    """Write a series, one file for each slice.

    Parameters
    ----------
    folder : Path
        Is made; it may hold another series.
    voxels : np.ndarray
        (D, H, W), stored as 16 bits.
    spacing, origin, direction
        As of an `imaging.Volume`: mm, LPS.
    first : int
        Number of the first file.
    fields
        Attributes of every slice, instead of the usual ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    axes = np.reshape(direction, (3, 3))
    for number, slice_ in enumerate(voxels.astype(np.int16)):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(folder / f"{first + number}.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
        data.Modality, data.PatientID, data.SeriesNumber = "MR", "4711", 7
        data.Rows, data.Columns = slice_.shape
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.PixelSpacing, data.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        data.ImageOrientationPatient = [f"{cosine:.10f}" for cosine in axes[:, :2].T.ravel()]
        position = np.asarray(origin) + number * spacing[2] * axes[:, 2]
        data.ImagePositionPatient = [f"{millimeters:.6f}" for millimeters in position]
        data.PixelData = slice_.tobytes()
        for name, value in fields.items():
            setattr(data, name, value)
        pydicom.dcmwrite(folder / f"{first + number}.dcm", data, enforce_file_format=True)
    return folder


def write_object(path: Path, sop_class: str) -> Path:
    """Write a DICOM file of a class, such as a report, that holds no pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path
