"""A DICOM series made of the sample image, its known labels, and a result that lies on its grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation
from source_tree import ROOT

from TrustSegLib.bundle import Code, ModelDescription, ModelInput, Structure, Terminology, TrainingRecord
from TrustSegLib.imaging import Normalization, Volume, read_labels, read_volume
from TrustSegLib.inference import SegmentationResult
from TrustSegLib.uncertainty import StructureRow

SAMPLE = ROOT / "TrustSeg/Resources/SampleData"
PART = (slice(None), slice(8, 20), slice(10, 40), slice(5, 30))  # 12 slices, through both structures
AXES = Rotation.from_euler("xyz", [17, -11, 28], degrees=True).as_matrix()
NAMES = ("Anterior hippocampus", "Posterior hippocampus")
MODEL = {"name": "hippocampus-t1", "version": "0.1.0", "sha256": "ab" * 32}


@dataclass(frozen=True)
class Sample:
    """A series on disk, and what its voxels are."""

    folder: Path
    image: Volume
    labels: Volume


@pytest.fixture(scope="session")
def oblique_sample() -> tuple[Volume, Volume]:
    """The sample's image and labels, anisotropic and turned about three axes."""
    image = read_volume(SAMPLE / "hippocampus_223.nii.gz")
    labels = read_labels(SAMPLE / "hippocampus_223_label.nii.gz")
    place = {"spacing": (0.9, 1.1, 2.5), "origin": (-31.25, 12.5, 100.0), "direction": tuple(AXES.ravel())}
    return tuple(replace(each, array=each.array[PART].astype(np.int16), **place) for each in (image, labels))


@pytest.fixture
def sample(tmp_path, oblique_sample):
    """Write the image as a series: `sample(reverse=True, PatientName=...)`; reverse turns the order.

    `direction` places it along other axes than the oblique ones.
    """

    def write(
        reverse: bool = False, folder: str = "series", direction: tuple[float, ...] | None = None, **fields
    ) -> Sample:
        image, labels = (_reversed(each) if reverse else each for each in oblique_sample)
        if direction is not None:
            image, labels = (replace(each, direction=direction) for each in (image, labels))
        path = tmp_path / folder
        path.mkdir()
        common = {
            "StudyInstanceUID": generate_uid(),
            "SeriesInstanceUID": generate_uid(),
            "FrameOfReferenceUID": generate_uid(),
            **fields,
        }
        # Neither the files' names nor their numbers go with the slices' places.
        for number, index in enumerate(np.random.default_rng(3).permutation(image.shape[0])):
            position = image.index_to_lps @ (0, 0, index, 1)
            _write_slice(path / f"{number}.dcm", image, int(index), position[:3], number + 1, common)
        return Sample(path, image, labels)

    return write


def _reversed(volume: Volume) -> Volume:
    """The same voxels at the same places, with the last slice first."""
    last = volume.index_to_lps @ (0, 0, volume.shape[0] - 1, 1)
    direction = np.reshape(volume.direction, (3, 3)) * (1, 1, -1)
    return Volume(volume.array[:, ::-1], volume.spacing, tuple(last[:3]), tuple(direction.ravel()))


def _write_slice(path: Path, image: Volume, index: int, position, number: int, fields: dict) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = (
        MRImageStorage,
        meta.MediaStorageSOPInstanceUID,
        "MR",
    )
    data.PatientName, data.PatientID, data.PatientBirthDate = "Doe^Jane", "4711", "19500102"
    data.PatientSex, data.StudyID, data.StudyDate, data.StudyTime = "F", "9", "20240301", "101112"
    data.AccessionNumber, data.SeriesNumber, data.InstanceNumber = "A1", 7, number
    data.Rows, data.Columns = image.shape[1:]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelSpacing, data.SliceThickness = [image.spacing[1], image.spacing[0]], 2
    axes = np.reshape(image.direction, (3, 3))
    data.ImageOrientationPatient = [f"{cosine:.10f}" for cosine in axes[:, :2].T.ravel()]
    data.ImagePositionPatient = [f"{number:.6f}" for number in position]
    data.PixelData = np.ascontiguousarray(image.array[0, index]).tobytes()
    for name, value in fields.items():
        if value is None:
            data.pop(name, None)
        else:
            setattr(data, name, value)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


@pytest.fixture
def result_of():
    """Make a result on the grid that is read from the series; its voxels go where the labels lie."""

    def make(sample: Sample) -> SegmentationResult:
        grid = read_volume(sample.folder)
        labels = _on_grid(sample.labels, grid).astype(np.uint8)
        error = np.random.default_rng(5).random(labels.shape, dtype=np.float32)
        maps = {"error_probability": grid.with_array(error)}
        rows = tuple(
            StructureRow(label, name, float((labels == label).sum() * grid.voxel_volume_ml))
            for label, name in enumerate(NAMES, 1)
        )
        return SegmentationResult(grid.with_array(labels), maps, rows, MODEL)

    return make


def _on_grid(volume: Volume, grid: Volume) -> np.ndarray:
    """The volume's voxels in the order of a grid that has the same voxels, perhaps counted otherwise."""
    indices = np.indices(grid.shape).reshape(3, -1)[::-1]
    places = grid.index_to_lps @ np.vstack([indices, np.ones(indices.shape[1])])
    x, y, z = np.rint(np.linalg.inv(volume.index_to_lps) @ places)[:3].astype(int)
    return volume.array[:, z, y, x].reshape(1, *grid.shape)


@pytest.fixture
def description() -> ModelDescription:
    return describe(
        Terminology(
            sct("123037004", "Anatomical Structure"),
            sct("5366008", "Hippocampus"),
            sct("255549009", "Anterior"),
        ),
        Terminology(
            sct("123037004", "Anatomical Structure"),
            sct("5366008", "Hippocampus"),
            region=sct("12738006", "Brain"),
            region_modifier=sct("7771000", "Left"),
        ),
    )


def sct(code: str, meaning: str) -> Code:
    return Code("SCT", code, meaning)


def describe(*terminologies: Terminology) -> ModelDescription:
    colors = ((230, 159, 0), (86, 180, 233))
    return ModelDescription(
        name=MODEL["name"],
        version=MODEL["version"],
        description="For the tests.",
        modality="MR",
        channels=("T1",),
        structures=tuple(
            Structure(label, name, color, terminology)
            for label, (name, color, terminology) in enumerate(
                zip(NAMES, colors, terminologies, strict=True), 1
            )
        ),
        input=ModelInput(
            (1.0, 1.0, 1.0), "RAS", Normalization(method="window", lower=0.0, upper=1.0), (8, 8, 8)
        ),
        family="vdp",
        propagation="exact",
        network={},
        training=TrainingRecord("none", "none", {"train": 1}, "none", 0),
        license="none",
    )


@pytest.fixture
def rows() -> tuple[StructureRow, ...]:
    """Figures of both structures, of which all are known."""
    first = StructureRow(1, NAMES[0], 1.5, (1.25, 1.75), 0.07, 0.88, (0.8, 0.9), "reaches the border")
    return first, StructureRow(2, NAMES[1], 2.0, (1.75, 2.5), 0.05, 0.91, (0.85, 0.94))


@pytest.fixture
def calibrated():
    """Make the record of a calibration of which every part has held: `calibrated(1, 2)` for two labels."""

    def make(*labels: int) -> dict:
        figures = [{"label": label, "level": 0.9, "coverage": 0.9, "cases": 462} for label in labels]
        return {
            "record": {"patients": 38, "cases": 462},
            "error_probability": {"ece_after": 0.005, "curve": "isotonic"},
            "volumes": figures,
            "quality": [{**each, "mean_absolute_error": 0.03} for each in figures],
            "not_calibrated": [],
        }

    return make
