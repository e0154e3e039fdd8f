"""What dciodvfy (Debian package dicom3tools) finds when it compares the DICOM results with the standard."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from TrustSegLib.contract import DICOM_REPORT_FILE, DICOM_SEGMENTATION_FILE, DICOM_STRUCTURES_FILE
from TrustSegLib.dicom_output import write_dicom

DCIODVFY = shutil.which("dciodvfy")
pytestmark = pytest.mark.skipif(DCIODVFY is None, reason="needs dciodvfy: apt-get install dicom3tools")

# The terms of PS3.3 C.8.16.1.4 may be extended, and none of them is a probability; dcmqi and highdicom write
# QUANTITY too. The value stands in two places.
KNOWN = {
    "Warning - </ImageType(0008,0008)[4]> - Unrecognized defined term = <QUANTITY>",
    "Warning - </SharedFunctionalGroupsSequence(5200,9229)[1]/ParametricMapFrameTypeSequence(0040,9092)[1]"
    "/FrameType(0008,9007)[4]> - Unrecognized defined term = <QUANTITY>",
}
# Empty is allowed: a result says no more of its patient and study than its source does.
EMPTY = "Missing attribute or value that would be needed to build DICOMDIR"
# Of a private coding scheme, which cannot be one of the registered ones.
OWN_SCHEME = "/CodingSchemeDesignator(0008,0102)[1]> - Unrecognized defined term = <99TRUSTSEG>"
ANONYMOUS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "SeriesNumber",
)
SOURCES = {
    "ordinary": {},
    "side of the body in its series": {"Laterality": "R", "BodyPartExamined": "KNEE"},
    "anonymous": dict.fromkeys(ANONYMOUS),
    "values that violate the standard": {
        "PatientSex": "female",
        "PatientBirthDate": "about 1950",
        "StudyDate": "2024-03-01",
        "StudyDescription": "x" * 70,
        "StationName": "a name of more than sixteen characters",
        "AccessionNumber": "1234567890-1234567890",
        "PixelSpacing": ["1.10000000000000000", "0.90000000000000000"],
        "SliceThickness": "2.0000000000000000001",
    },
}


def found(path) -> set[str]:
    """Every error and warning; the only other line of the output names the kind of object."""
    done = subprocess.run([DCIODVFY, "-new", str(path)], capture_output=True, text=True, check=False)
    lines = set((done.stdout + done.stderr).splitlines())
    kinds = lines & {"Segmentation", "ParametricMap", "ComprehensiveSR", "RTStructureSet"}
    assert len(kinds) == 1
    return {line for line in lines - kinds if not line.endswith((EMPTY, OWN_SCHEME))}


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning", "ignore:The value length:UserWarning")
@pytest.mark.parametrize("kind", SOURCES)
def test_results_follow_the_standard(kind, sample, result_of, description, tmp_path):
    source = sample(**SOURCES[kind])
    segmentation, uncertainty, report = write_dicom(result_of(source), description, source.folder, tmp_path)
    assert found(segmentation) == set()
    assert found(uncertainty) == KNOWN
    assert found(report) == set()


def test_empty_mask_follows_the_standard(sample, result_of, description, tmp_path):
    source = sample()
    result = result_of(source)
    empty = replace(result, labels=result.labels.with_array(np.zeros_like(result.labels.array)))
    assert found(write_dicom(empty, description, source.folder, tmp_path)[0]) == set()


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning", "ignore:The value length:UserWarning")
@pytest.mark.parametrize("kind", SOURCES)
def test_structure_set_follows_the_standard(kind, sample, result_of, description, tmp_path):
    source = sample(**SOURCES[kind])
    result = result_of(source)
    names = (DICOM_STRUCTURES_FILE,)
    assert found(*write_dicom(result, description, source.folder, tmp_path, names)) == set()
    empty = replace(result, labels=result.labels.with_array(np.zeros_like(result.labels.array)))
    assert found(*write_dicom(empty, description, source.folder, tmp_path, names)) == set()


def test_report_of_which_all_is_known_follows_the_standard(
    sample, result_of, description, rows, calibrated, tmp_path
):
    source = sample()
    result = replace(result_of(source), structures=rows, calibration=calibrated(1, 2))
    names = (DICOM_SEGMENTATION_FILE, DICOM_REPORT_FILE)
    assert found(write_dicom(result, description, source.folder, tmp_path, names)[1]) == set()


def test_fault_is_found(sample, result_of, description, tmp_path):
    """dciodvfy itself works: without the side of the frames it asks for that of the series."""
    source = sample()
    _, path, _ = write_dicom(result_of(source), description, source.folder, tmp_path)
    data = pydicom.dcmread(path)
    del data.SharedFunctionalGroupsSequence[0].FrameAnatomySequence
    data.save_as(path)
    assert any("Laterality" in line for line in found(path))
