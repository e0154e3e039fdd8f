"""What an image is called on a page: no two patients alike where their folders tell them apart."""

from __future__ import annotations

import pytest

from TrustSegLib.report.image_title import image_title


@pytest.mark.parametrize(
    ("image", "title"),
    [
        ("scan.nii.gz", "scan.nii.gz"),
        ("/data/patient1/Scan.NRRD", "Scan.NRRD"),
        ("C:\\data\\scan.mha", "scan.mha"),
        ("/data/patient1/2024/T1", "patient1/2024/T1"),
        ("C:\\patient1\\CT 1.2.840.10008\\", "C:/patient1/CT 1.2.840.10008"),
        ("./T1", "T1"),
        ("/", "/"),
        ("Node of the scene", "Node of the scene"),
    ],
)
def test_folder_is_named_with_those_above_it_and_file_alone(image, title):
    assert image_title(image) == title
