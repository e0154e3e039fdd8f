"""DICOM results that cannot be written: one line with the reason, and no file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from TrustSegLib.contract import DICOM_MAP_FILE, DICOM_REPORT_FILE, DICOM_SEGMENTATION_FILE
from TrustSegLib.dicom_output import check_dicom_output, requirement, write_dicom
from TrustSegLib.errors import ImageError, OptionError, OutputError


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def refused(kind, *words: str):
    """The error's one line holds these words."""
    return pytest.raises(kind, match="(?s)^(?=[^\n]*$)" + "".join(f"(?=.*{word})" for word in words))


def test_error_of_a_missing_highdicom_has_the_pip_command(sample, result_of, description, out, monkeypatch):
    source = sample()
    result = result_of(source)
    monkeypatch.setattr(requirement, "find_spec", lambda name: None)
    with refused(OptionError, "highdicom", r"pip install 'trustseg\[dicom\]'"):
        write_dicom(result, description, source.folder, out)
    with refused(OptionError, "highdicom"):
        check_dicom_output([source.folder])
    assert list(out.iterdir()) == []


def test_highdicom_is_imported_only_to_write_results():
    script = (
        "import sys, TrustSegLib.dicom_output; sys.exit(bool({'highdicom', 'pydicom'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_images_that_are_not_series_are_found_before_the_work(sample, tmp_path, capfd):
    folder = sample().folder
    (folder / "notes.txt").write_text("hello")
    (folder / "empty.dcm").write_bytes(b"")
    check_dicom_output([folder])
    (tmp_path / "image.nii.gz").write_bytes(b"")
    (tmp_path / "none").mkdir()
    for name in ("image.nii.gz", "none", "missing"):
        with refused(OptionError, name, "--dicom-seg", "; "):
            check_dicom_output([folder, tmp_path / name])
    assert "".join(capfd.readouterr()) == ""


def test_image_that_is_not_a_series_is_refused(sample, result_of, description, out, tmp_path):
    result = result_of(sample())
    image = tmp_path / "image.nii.gz"
    image.write_bytes(b"")
    with refused(OptionError, "image.nii.gz", "--dicom-seg"):
        write_dicom(result, description, image, out)
    assert list(out.iterdir()) == []


def test_another_series_of_the_same_size_is_refused(sample, result_of, description, out):
    result = result_of(sample())
    moved = replace(result, labels=replace(result.labels, origin=(0.0, 0.0, 0.0)))
    turned = replace(result, labels=replace(result.labels, direction=tuple(np.eye(3).ravel())))
    cut = replace(result, labels=replace(result.labels, array=result.labels.array[:, 1:]))
    folder = sample(folder="again").folder
    for other in (moved, turned, cut):
        with refused(ImageError, "again", "do not lie"):
            write_dicom(other, description, folder, out)
    assert list(out.iterdir()) == []


def test_slices_with_differently_rounded_axes_are_accepted(sample, result_of, description, out):
    source = sample()
    path = source.folder / "4.dcm"
    data = pydicom.dcmread(path)
    data.ImageOrientationPatient = [f"{float(cosine):.4f}" for cosine in data.ImageOrientationPatient]
    data.save_as(path)
    assert len(write_dicom(result_of(source), description, source.folder, out)) == 3


def test_label_that_the_model_lacks_is_refused(sample, result_of, description, out):
    source = sample()
    result = result_of(source)
    result = replace(result, labels=result.labels.with_array(result.labels.array * 3))
    with refused(ImageError, "leave out --dicom-seg"):
        write_dicom(result, description, source.folder, out)


def test_result_without_the_map_is_refused(sample, result_of, description, out):
    source = sample()
    with refused(OptionError, "error_probability"):
        write_dicom(replace(result_of(source), maps={}), description, source.folder, out)


def test_neither_file_is_left_when_the_second_cannot_be_written(
    sample, result_of, description, out, monkeypatch
):
    """Neither the first file nor the private folder stays."""
    source = sample()
    result = result_of(source)
    (out / DICOM_MAP_FILE).mkdir()
    with refused(OutputError, "cannot be written", "; "):
        write_dicom(result, description, source.folder, out)
    assert [path.name for path in out.iterdir()] == [DICOM_MAP_FILE]


def test_missing_folder_is_an_output_error(sample, result_of, description, out):
    source = sample()
    with refused(OutputError, "nowhere", "cannot be written"):
        write_dicom(result_of(source), description, source.folder, out / "nowhere")


def test_files_of_an_earlier_run_are_replaced(sample, result_of, description, out):
    source = sample()
    result = result_of(source)
    first = write_dicom(result, description, source.folder, out)
    before = [path.read_bytes() for path in first]
    second = write_dicom(result, description, source.folder, out)
    names = (DICOM_SEGMENTATION_FILE, DICOM_MAP_FILE, DICOM_REPORT_FILE)
    assert first == second == tuple(out / name for name in names)
    assert all(path.read_bytes() != old for path, old in zip(second, before, strict=True))
    assert sorted(path.name for path in out.iterdir()) == [
        "report.dcm",
        "segmentation.dcm",
        "uncertainty.dcm",
    ]
