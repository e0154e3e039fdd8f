"""The images of a folder are found, each once, and other files are left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import write_object, write_series
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    EnhancedMRImageStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    MRSpectroscopyStorage,
    ParametricMapStorage,
    PositronEmissionTomographyImageStorage,
    RawDataStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from TrustSegLib.cases.image_folders import holds_dicom_images, images_of_batch
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import read_volume

VOXELS = np.arange(3 * 4 * 5).reshape(3, 4, 5)


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in images_of_batch(folder)]


def test_series_at_any_depth_are_found_in_the_order_of_their_names(tmp_path):
    for place in ("p2/CT", "p1/2024/study/T1", "p1/2024", "p10", "é/a b"):
        write_series(tmp_path / place, VOXELS)
    assert found(tmp_path) == ["p1/2024", "p1/2024/study/T1", "p10", "p2/CT", "é/a b"]


def test_folder_with_a_dicomdir_only_is_left_out(tmp_path):
    write_object(tmp_path / "DICOMDIR", MediaStorageDirectoryStorage)
    write_series(tmp_path / "DICOM" / "PA0" / "ST0" / "SE0", VOXELS)
    assert found(tmp_path) == ["DICOM/PA0/ST0/SE0"]


@pytest.mark.parametrize(
    "sop_class",
    [
        ComprehensiveSRStorage,
        EncapsulatedPDFStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        MRSpectroscopyStorage,
        ParametricMapStorage,
        RTDoseStorage,
        RTStructureSetStorage,
        RawDataStorage,
        SegmentationStorage,
    ],
)
def test_folders_of_other_dicom_objects_are_left_out(tmp_path, sop_class):
    write_series(tmp_path / "p" / "image", VOXELS)
    write_object(tmp_path / "p" / "other" / "1.dcm", sop_class)
    assert found(tmp_path) == ["p/image"]


@pytest.mark.parametrize(
    "sop_class",
    [
        CTImageStorage,
        MRImageStorage,
        EnhancedMRImageStorage,
        PositronEmissionTomographyImageStorage,
        SecondaryCaptureImageStorage,
        "1.2.3.4",
        "1.2.840.10008.5.1.4.1.1.300",
    ],
)
def test_images_of_any_class_are_found(tmp_path, sop_class):
    """The last is one that may be given out one day; it begins as that of parametric maps (...1.30)."""
    write_object(tmp_path / "p" / "1.dcm", sop_class)
    assert found(tmp_path) == ["p"]


def test_slices_beside_a_report_are_found(tmp_path):
    write_series(tmp_path / "p", VOXELS)
    write_object(tmp_path / "p" / "0-first.dcm", ComprehensiveSRStorage)
    assert found(tmp_path) == ["p"]


def write_unmarked(folder: Path) -> Path:
    """Write a series as old programs do, without the mark of DICOM."""
    for path in write_series(folder, VOXELS).iterdir():
        data = pydicom.dcmread(path)
        data.preamble, data.file_meta = None, pydicom.dataset.FileMetaDataset()
        pydicom.dcmwrite(path, data, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert b"DICM" not in path.read_bytes()
    return folder


def test_slices_without_the_mark_of_dicom_are_found_as_the_reader_finds_them(tmp_path):
    folder = write_unmarked(tmp_path / "p" / "old")
    assert read_volume(folder).shape == (3, 4, 5)
    assert found(tmp_path) == ["p/old"]


@pytest.mark.parametrize(
    ("name", "sop_class"),
    [
        ("0-report.dcm", ComprehensiveSRStorage),
        ("segmentation.dcm", SegmentationStorage),
        ("DICOMDIR", MediaStorageDirectoryStorage),
    ],
)
def test_slices_without_the_mark_are_found_beside_a_marked_file_of_another_kind(tmp_path, name, sop_class):
    write_object(write_unmarked(tmp_path / "p") / name, sop_class)
    assert found(tmp_path) == ["p"]


def test_folder_of_a_segmentation_and_a_text_is_left_out(tmp_path):
    """GDCM lists a segmentation as a series, too."""
    (path,) = write_series(tmp_path / "q", VOXELS[:1]).iterdir()
    data = pydicom.dcmread(path)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    data.save_as(path)
    (tmp_path / "q" / "notes.txt").write_text("hello")
    write_series(tmp_path / "p", VOXELS)
    assert found(tmp_path) == ["p"]


def test_other_files_are_skipped_silently(tmp_path, capfd):
    write_series(tmp_path / "p" / "image", VOXELS)
    (tmp_path / "p" / "notes.txt").write_text("hello")
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "empty.dcm").write_bytes(b"")
    (tmp_path / "q" / "scan.nii.gz").write_text("of a folder further down")
    assert found(tmp_path) == ["p/image"]
    assert capfd.readouterr() == ("", "")


def test_folder_of_damaged_slices_is_a_case_that_fails(tmp_path):
    folder = write_series(tmp_path / "p", VOXELS)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:140])
    assert found(tmp_path) == ["p"]
    with pytest.raises(ImageError):
        read_volume(folder)


def test_hidden_folders_are_left_out_and_circular_links_end(tmp_path):
    write_series(tmp_path / "study" / ".trash", VOXELS)
    write_series(tmp_path / "elsewhere", VOXELS)
    (tmp_path / "study" / "p").mkdir()
    (tmp_path / "study" / "p" / "around").symlink_to(tmp_path / "study")
    (tmp_path / "study" / "p" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "study" / "p" / "linked again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "study" / "p" / "lost").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path / "study") == ["p/linked"]


def test_beside_image_files_the_series_in_folders_are_left_out(tmp_path):
    write_series(tmp_path / "p", VOXELS)
    (tmp_path / "a.nii.gz").write_text("x")
    assert found(tmp_path) == ["a.nii.gz"]


def test_slices_directly_in_the_folder_make_it_one_image(tmp_path):
    write_series(tmp_path, VOXELS)
    write_series(tmp_path / "p", VOXELS)
    assert found(tmp_path) == []
    assert holds_dicom_images(tmp_path)


def test_series_beside_earlier_results_are_found(tmp_path):
    """One image was segmented into the folder that holds its series."""
    write_series(tmp_path / "p", VOXELS)
    (tmp_path / "mask.nii.gz").write_text("x")
    report = {"schema": "trustseg-report/1", "files": {"mask": "mask.nii.gz"}, "maps": []}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert found(tmp_path) == ["p"]


def refuse(monkeypatch, method: str, place: Path) -> None:
    """Who runs the tests may be root, who can read everything."""
    real = getattr(Path, method)

    def refusing(path, *arguments, **options):
        if path == place:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, method, refusing)


def test_batch_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_series(tmp_path / "p", VOXELS)
    refuse(monkeypatch, "iterdir", tmp_path)
    with pytest.raises(ImageError) as caught:
        images_of_batch(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read (Permission denied); check its permissions"


@pytest.mark.parametrize("place", ["b", "b/q"])
def test_unlistable_folder_is_a_case_beside_the_others(tmp_path, place, monkeypatch):
    for good in ("a", "c"):
        write_series(tmp_path / good, VOXELS)
    (tmp_path / "b" / "q").mkdir(parents=True)
    refuse(monkeypatch, "iterdir", tmp_path / place)
    assert found(tmp_path) == ["a", place, "c"]
    with pytest.raises(ImageError):
        read_volume(tmp_path / place)


def test_folder_with_an_unreadable_file_is_a_case_beside_the_others(tmp_path, monkeypatch):
    for good in ("a", "b/inner", "c"):
        write_series(tmp_path / good, VOXELS)
    (tmp_path / "b" / "worn").write_text("x")
    refuse(monkeypatch, "open", tmp_path / "b" / "worn")
    assert found(tmp_path) == ["a", "b", "b/inner", "c"]
    with pytest.raises(ImageError):
        read_volume(tmp_path / "b")


def test_link_that_cannot_be_followed_is_a_case_beside_the_others(tmp_path):
    """The system refuses its name; a link into a private folder is refused in the same way."""
    for good in ("b/1", "b/3"):
        write_series(tmp_path / good, VOXELS)
    (tmp_path / "b" / "2").symlink_to("x" * 300)
    with pytest.raises(OSError, match="name too long"):
        (tmp_path / "b" / "2").stat()
    assert found(tmp_path) == ["b/1", "b/2", "b/3"]
    with pytest.raises(ImageError, match="b/2: cannot be read"):
        read_volume(tmp_path / "b" / "2")
