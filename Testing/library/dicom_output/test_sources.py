"""Headers of the source series: what must be valid, and what a result does without."""

from __future__ import annotations

import pydicom
import pytest

from TrustSegLib.dicom_output.sources import slice_headers
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import read_volume

ROOT = "1.2.826.0.1.3680043.8.498"
LONG_SPACING = ["1.10000000000000000", "0.90000000000000000"]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Invalid value:UserWarning", "ignore:The value length:UserWarning"
)


def headers_of(source) -> list[pydicom.Dataset]:
    return slice_headers(source.folder, read_volume(source.folder))


def refused(*words: str):
    """The error's one line names the folder and the remedy, and holds these words."""
    searched = "".join(f"(?=.*{word})" for word in ("series:", *words, "; export the series again"))
    return pytest.raises(ImageError, match="(?s)^(?=[^\\n]*$)" + searched)


def change_one_slice(source, **fields: str) -> None:
    path = source.folder / "4.dcm"
    data = pydicom.dcmread(path)
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path)


@pytest.mark.parametrize("name", ["FrameOfReferenceUID", "StudyInstanceUID"])
@pytest.mark.parametrize("value", [None, ""])
def test_missing_identifier_is_refused(sample, name, value):
    with refused(f"no {name}"):
        headers_of(sample(**{name: value}))


@pytest.mark.parametrize("name", ["FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", ["1.2.03.4", "anonymous", f"{ROOT}.{10**50}"])
def test_invalid_identifier_is_refused(sample, name, value):
    """A leading zero, letters, more than 64 characters."""
    with refused(name, value[:40], "not valid"):
        headers_of(sample(**{name: value}))


def test_invalid_identifier_of_one_slice_is_refused(sample):
    source = sample()
    change_one_slice(source, SOPInstanceUID="1.2.840..5")
    with refused("SOPInstanceUID", "1.2.840..5"):
        headers_of(source)


def test_slices_of_different_studies_are_refused(sample):
    source = sample()
    change_one_slice(source, StudyInstanceUID=f"{ROOT}.7")
    with refused("different values of StudyInstanceUID"):
        headers_of(source)


def test_slices_with_one_identifier_in_common_are_refused(sample):
    with refused("the same SOPInstanceUID"):
        headers_of(sample(SOPInstanceUID=f"{ROOT}.8"))


@pytest.mark.parametrize(("name", "value"), [("PatientID", "4" * 70), ("PatientName", "N" * 70)])
def test_patient_that_a_result_cannot_name_is_refused(sample, name, value):
    with refused(name, "not valid"):
        headers_of(sample(**{name: value}))


def test_other_invalid_values_are_left_out(sample):
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "x" * 20, "LOCAL", "Head"
    fields = {
        "PatientBirthDate": "yesterday",
        "StudyDate": "2024-03-01",
        "StudyDescription": "x" * 70,
        "StationName": "y" * 20,
        "ProcedureCodeSequence": [code],
        "InstitutionName": "Hospital",
    }
    header = headers_of(sample(**fields))[0]
    assert (header.PatientBirthDate, header.StudyDate) == ("", "")
    assert not {"StudyDescription", "StationName", "ProcedureCodeSequence"} & set(header.dir())
    assert header.InstitutionName == "Hospital"
    assert (header.PatientID, header.PatientName) == ("4711", "Doe^Jane")


def test_lengths_with_too_many_digits_are_kept(sample):
    """Many exports write more than the 16 characters that DICOM allows."""
    source = sample(PixelSpacing=LONG_SPACING)
    assert b"1.10000000000000000" in (source.folder / "0.dcm").read_bytes()
    assert [float(length) for length in headers_of(source)[0].PixelSpacing] == [1.1, 0.9]
