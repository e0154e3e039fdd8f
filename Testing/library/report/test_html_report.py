"""`report.html`: one page without external files, with the figures and pictures of a case."""

from __future__ import annotations

import base64
import re
import struct
from html.parser import HTMLParser

import numpy as np
import pytest

from TrustSegLib.contract import NEVER_CALIBRATED
from TrustSegLib.errors import OutputError
from TrustSegLib.imaging import orient
from TrustSegLib.report import CaseImages, report_json, write_html_report
from TrustSegLib.report.html_figures import png_bytes
from TrustSegLib.report.html_report import MOST_PICTURED, html_report, image_title
from TrustSegLib.report.html_tables import position_text
from TrustSegLib.report.scene import Oriented
from TrustSegLib.uncertainty.out_of_distribution import UNLIKE

VOID = {"meta", "br", "img", "image", "path"}
EVIL = '<script>alert("1")</script>&\'"'


class Balanced(HTMLParser):
    """Fails where an element is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def region(rank: int, position=(3.0, 8.0, 37.0)) -> dict:
    return {
        "rank": rank,
        "position_ras_mm": list(position),
        "volume_ml": 0.1,
        "expected_wrong_ml": 0.04,
        "peak": 0.48,
        "mean": 0.31,
        "structures": ["Front"],
    }


@pytest.fixture
def report(result) -> dict:
    return report_json(result, "patients/scan.nii.gz", "trustseg segment scan.nii.gz")


@pytest.fixture
def page(volume, result):
    """Make the page of a report."""

    def make(report, colors=(), audit=()) -> str:
        images = CaseImages(volume, result.labels, result.maps["error_probability"], dict(colors))
        return html_report(report, images, audit)

    return make


def test_page_has_the_content_of_the_report(page, report):
    text = page(report)
    parse(text)
    for words in ("research use only", "scan.nii.gz", "tiny 0.1.0", "0f" * 32, "The image is dark."):
        assert words in text
    assert text.count("<td>not calibrated</td>") == 2 * len(report["structures"])
    assert "uncertainty not calibrated" in text
    assert text.count(NEVER_CALIBRATED) == 2  # among the warnings, and below "Calibration"
    for row in report["structures"]:
        assert f"<td>{row['volume_ml']:.2f}</td>" in text
    assert "trustseg segment scan.nii.gz" in text
    assert "No place stands out" in text


def test_interval_that_was_left_out_is_told_from_one_that_is_not_calibrated(page, report):
    assert "<td>left out</td>" not in page(report)
    report["structures"][0].update(flag="reaches the image's border")
    report["calibration"] = {
        "record": {},
        "error_probability": None,
        "volumes": [{"label": 1, "level": 0.9, "coverage": 0.91, "cases": 240}],
        "quality": [],
    }
    assert page(report).count("<td>left out</td>") == 1


def test_calibrated_page_describes_the_calibration_and_its_figures(page, report):
    report["structures"][0].update(
        volume_interval_ml=[0.21, 0.93],
        expected_dsc=0.62,
        expected_dsc_interval=[0.41, 0.78],
        flag="likely to fail",
    )
    report["case"]["quality"] = 0.62
    report["calibration"] = {
        "record": {"data": "forty patients", "cases": 240},
        "error_probability": {"ece_after": 0.0123},
        "volumes": [{"label": 1, "level": 0.8, "coverage": 0.81, "cases": 240}],
        "quality": [],
        "not_calibrated": [],
    }
    text = page(report)
    parse(text)
    assert "Not calibrated" not in text
    for words in ("0.21\N{EN DASH}0.93", "0.62 (0.41\N{EN DASH}0.78)", "80 % interval", "forty patients"):
        assert words in text
    for words in (
        "1.2\N{NO-BREAK SPACE}%",
        "<td>81.0\N{NO-BREAK SPACE}%</td>",
        "likely to fail",
        "<b>0.62</b>",
    ):
        assert words in text
    assert "<th>structure</th><th>level</th><th>coverage</th>" in text
    assert f"<tr><td>{report['structures'][0]['name']}</td><td>80.0" in text
    unlike = "but <b>not for images like this one</b>"
    assert unlike not in text
    report["case"]["warnings"] = [f"{UNLIKE}: noise"]
    assert unlike in page(report)
    report["calibration"] = None
    assert unlike not in page(report)


def test_page_of_a_raw_map_has_no_probability_but_the_order_of_the_regions(page, report):
    report["regions"] = [region(1)]
    text = page(report)
    assert "Uncertainty, raw (not calibrated) <b>0</b>" in text
    assert "<b>0.5</b> (below 0.05 not drawn)" in text
    assert "raw uncertainty up to 0.48" in text
    assert "<th>Mean uncertainty (raw)</th>" in text
    assert "<td>0.300</td>" in text
    body = text[text.index("<body>") :]
    for word in ("Error probability", "error probability", "Expected wrong", "\N{NO-BREAK SPACE}%"):
        assert word not in body
    report["calibration"] = {"record": {}, "error_probability": {"ece_after": 0.01, "curve": "beta"}}
    text = page(report)
    for word in ("Error probability <b>0 %</b>", "error probability up to 48.0", "Expected wrong", "30.0"):
        assert word in text
    assert "near the structures: 1.0\N{NO-BREAK SPACE}%, beta curve" in text


def test_page_names_the_structure_whose_interval_did_not_hold(page, report):
    report["structures"][0]["volume_interval_ml"] = [0.2, 0.4]
    missing = {
        "part": "volumes",
        "label": 2,
        "structure": "Back",
        "reason": "covers 71 % on patients left out",
    }
    report["calibration"] = {
        "record": {},
        "error_probability": {"ece_after": 0.01},
        "volumes": [{"label": label, "level": 0.9} for label in (1, 3)],
        "quality": [{"label": label} for label in (1, 2, 3)],
        "not_calibrated": [missing],
    }
    text = page(report)
    sentence = "Not calibrated: the volume interval of Back (covers 71 % on patients left out)."
    assert f"<li>{sentence}</li>" in text
    assert "uncertainty calibrated in part" in text
    assert text.count("<td>not calibrated</td>") == 1, "what is missing for this image only is a dash"


def test_page_has_no_external_references_and_no_scripts(page, report):
    report["regions"] = [region(1)]
    found = parse(page(report))
    assert "script" not in found.seen
    assert found.addresses
    assert all(address.startswith("data:image/png;base64,") for address in found.addresses)
    assert "default-src 'none'" in page(report)


def test_text_of_the_report_is_escaped(page, report):
    report["image"] = report["model"]["name"] = report["provenance"]["command"] = EVIL
    report["case"]["warnings"] = [EVIL]
    report["structures"][0].update(name=EVIL, flag=EVIL)
    report["regions"] = [{**region(1), "structures": [EVIL]}]
    report["calibration"] = {"record": {EVIL: EVIL}, "volumes": [{EVIL: EVIL, "level": 0.9}]}
    text = page(report, audit=[{EVIL: EVIL}])
    assert "script" not in parse(text).seen
    assert "<script" not in text


def test_first_regions_are_pictured_and_all_are_listed(page, report):
    report["regions"] = [region(rank) for rank in range(9, 0, -1)]
    text = page(report)
    assert text.count('<div class="region">') == MOST_PICTURED
    assert [int(rank) for rank in re.findall(r"<td><b>(\d)</b></td>", text)] == list(range(1, 10))
    assert "R\N{NO-BREAK SPACE}3.0, A\N{NO-BREAK SPACE}8.0, S\N{NO-BREAK SPACE}37.0" in text
    assert text.count("<svg") == 6 + 3 * MOST_PICTURED


def test_audit_log_is_shown_with_every_field(page, report):
    text = page(
        report, audit=[{"time": "10:00", "action": "accept"}, {"time": "10:05", "comment": "too large"}]
    )
    assert "<th>comment</th>" in text
    assert "too large" in text
    assert "<h2>Review</h2>" not in page(report)


def test_crosshair_stands_on_the_region(volume, result):
    """Whatever the file's orientation: the voxel under the crosshair is the one the position names."""
    index = (7, 9, 11)  # z, y, x
    lps = volume.index_to_lps @ (*index[::-1], 1)
    oriented = Oriented.of(volume, result.labels, result.maps["error_probability"])
    found = oriented.index_of((-lps[0], -lps[1], lps[2]))
    assert oriented.image.array[0][found] == volume.array[0][index]
    other = orient(volume, "RSA")
    again = Oriented.of(other, orient(result.labels, "RSA"), orient(result.maps["entropy"], "RSA"))
    assert again.index_of((-lps[0], -lps[1], lps[2])) == found


def test_region_at_the_edge_and_an_empty_mask_can_be_drawn(make_case, report):
    volume, result = make_case(labels=np.zeros((1, 20, 24, 28), np.uint8))
    report["regions"] = [region(1, (10.0, 20.0, 30.0)), region(2, (500.0, 500.0, 500.0))]
    text = html_report(report, CaseImages(volume, result.labels, result.maps["error_probability"]))
    parse(text)
    assert "No structure was found" in text


def test_structures_have_their_own_colors(page, report):
    text = page(report, colors={1: (1, 2, 3)})
    assert 'stroke="rgb(1 2 3)"' in text
    assert "background:rgb(1 2 3)" in text


def test_failed_write_of_a_page_leaves_no_file(volume, result, report, tmp_path):
    images = CaseImages(volume, result.labels, result.maps["error_probability"])
    with pytest.raises(OutputError):
        write_html_report(report, tmp_path / "missing" / "report.html", images)
    write_html_report(report, tmp_path / "report.html", images)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_picture_is_a_png_that_matplotlib_reads(tmp_path):
    from matplotlib.image import imread

    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    (tmp_path / "p.png").write_bytes(png_bytes(picture))
    read = imread(tmp_path / "p.png")
    np.testing.assert_array_equal(np.round(read[..., :3] * 255).astype(np.uint8), picture)
    with pytest.raises(ValueError, match="uint8"):
        png_bytes(picture.astype(float))


def test_pixel_stands_for_a_voxel(page, report, result):
    """The pictures of the overview are as large as their slices: nothing was resampled."""
    first = re.search(r"base64,([^\"]+)\"", page(report)).group(1)
    columns, rows = struct.unpack(">2I", base64.b64decode(first)[16:24])
    assert (rows, columns) == result.labels.shape[1:]


def test_position_is_written_with_letters_of_the_body():
    assert position_text((-1.25, -2.0, -3.0)).replace("\N{NO-BREAK SPACE}", " ") == "L 1.2, P 2.0, I 3.0"


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
