"""CSV files as spreadsheets write them."""

from __future__ import annotations

import pytest

from trustseg_training.dataset.tables import read_table
from TrustSegLib.errors import ImageError

WANTED = [{"image_T1": "a b.nii", "label": "b.nii", "patient": "p"}]


@pytest.mark.parametrize(
    "text",
    [
        "image_T1,label,patient\na b.nii,b.nii,p\n",
        "image_T1;label;patient\r\na b.nii;b.nii;p\r\n",
        "\ufeffimage_T1;label;patient\na b.nii;b.nii;p\n",
        "Image_T1,LABEL, Patient \na b.nii, b.nii, p\n",
        'image_T1, label, patient\n"a b.nii", "b.nii", "p"\n',
        "image_T1\tlabel\tpatient\na b.nii\tb.nii\tp\n",
        "image_T1;label;patient\na b.nii;b.nii;p\n;;\n\n",
    ],
)
def test_separators_marks_capitals_and_spaces_change_nothing(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode("utf-8"))
    assert read_table(path, ("label",)) == WANTED


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("label,Label\na,b\n")
    with pytest.raises(ImageError, match="two columns are named 'label'"):
        read_table(path, ("label",))


def test_line_number_counts_empty_rows(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("image;label\na;b\n;\nc;\n")
    with pytest.raises(ImageError, match="line 4 has no label"):
        read_table(path, ("label",))
