"""`overlay.png`: everything that a reader needs is there, to scale, and readable."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from TrustSegLib.contract import NEVER_CALIBRATED, map_display
from TrustSegLib.errors import OutputError
from TrustSegLib.report import write_overlay
from TrustSegLib.report.overlay import draw_overlay
from TrustSegLib.report.page import CAUTION, printable, round_length, shorten
from TrustSegLib.report.scale import color_values


def texts_of(page) -> list[Text]:
    """Every visible text of the figure, including the ticks of the color bar and the legend."""
    FigureCanvasAgg(page.figure).draw()
    return [text for text in page.figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def words_of(page) -> str:
    return "\n".join(text.get_text() for text in texts_of(page))


def panels_of(page) -> list:
    return [axes for axes in page.figure.axes if axes.images and axes.get_aspect() != "auto"]


def pixels(path) -> np.ndarray:
    return np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(int)


def count_color(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(image - color).max(axis=-1) <= 2).sum())


def test_picture_has_title_model_intended_use_volumes_and_scale(volume, result, structures):
    words = words_of(draw_overlay(volume, result, structures=structures, image_name="scan.nii.gz"))
    for word in ("scan.nii.gz", "tiny 0.1.0", "research use only", "uncertainty not calibrated"):
        assert word in words
    for word in ("Front\n0.36 ml", "Missing\n0.00 ml", "Axial  S 44.0 mm", "5 mm", "below 0.05: not drawn"):
        assert word in words
    assert NEVER_CALIBRATED in words
    assert "\nUncertainty, raw (not calibrated)\n" in words
    assert "%" not in words


def test_calibrated_result_is_called_calibrated(volume, result, structures):
    parts = {"record": {}, "error_probability": {"ece_after": 0.01}, "not_calibrated": []}
    calibrated = dataclasses.replace(result, calibration=parts)
    words = words_of(draw_overlay(volume, calibrated, structures=structures))
    assert "uncertainty calibrated" in words
    assert "Error probability (%)" in words
    assert "below 5 %: not drawn" in words
    assert "ot calibrated" not in words


def test_parts_that_are_not_calibrated_are_named_without_covering_the_panels(volume, result, structures):
    reason = "covers 71 % on patients left out"
    missing = [
        {"part": "volumes", "label": label, "structure": f"Structure {label} " + "x" * 60, "reason": reason}
        for label in range(1, 8)
    ]
    parts = {"record": {}, "error_probability": {"ece_after": 0.01}, "not_calibrated": missing}
    page = draw_overlay(volume, dataclasses.replace(result, calibration=parts), structures=structures)
    note = [text for text in texts_of(page) if str(text.get_color()) == CAUTION]
    assert " ".join(text.get_text() for text in note).startswith(
        "Not calibrated: the volume intervals of Str"
    )
    assert "and 5 others (covers 71 %" in " ".join(text.get_text() for text in note)
    assert len(note) > 1
    others = [text for text in texts_of(page) if text not in note and text.get_text().strip()]
    for line in note:
        box = line.get_window_extent()
        assert 0 < box.x0 < box.x1 < page.figure.bbox.width
        assert not any(box.overlaps(text.get_window_extent()) for text in others)


def test_empty_mask_is_stated(make_case, structures):
    volume, result = make_case(labels=np.zeros((1, 20, 24, 28), dtype=np.uint8))
    assert "No structure was found" in words_of(draw_overlay(volume, result, structures=structures))


def test_another_map_has_its_own_title_unit_and_scale(volume, result, structures):
    page = draw_overlay(volume, result, "entropy", structures=structures)
    assert "Predictive entropy (nat)" in words_of(page)


def test_letters_stand_on_the_side_they_name(volume, result, structures):
    page = draw_overlay(volume, result, structures=structures)
    boxes = {}
    for text in texts_of(page):
        boxes.setdefault(text.get_text(), []).append(text.get_window_extent())
    axial = panels_of(page)[0].get_window_extent()
    assert any(box.x1 <= axial.x0 and axial.y0 < box.y0 < axial.y1 for box in boxes["R"])
    assert any(axial.x1 <= box.x0 < axial.x1 + 30 and axial.y0 < box.y0 < axial.y1 for box in boxes["L"])
    assert any(axial.y1 <= box.y0 < axial.y1 + 30 and axial.x0 < box.x0 < axial.x1 for box in boxes["A"])
    assert any(axial.y0 - 30 < box.y1 <= axial.y0 and axial.x0 < box.x0 < axial.x1 for box in boxes["P"])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 1.5, 4.0), (3.0, 0.8, 0.8)])
def test_every_panel_has_the_proportions_of_the_body(make_case, structures, spacing):
    labels = np.zeros((1, 20, 24, 28), dtype=np.uint8)
    labels[0, 1:-1, 1:-1, 1:-1] = 1  # The whole image is shown around it.
    volume, result = make_case(spacing=spacing, labels=labels)
    x, y, z = (count * step for count, step in zip(volume.size, spacing, strict=True))
    page = draw_overlay(volume, result, structures=structures)
    texts_of(page)
    shapes = [axes.get_window_extent() for axes in panels_of(page)]
    found = [box.width / box.height for box in shapes]
    assert found == pytest.approx([x / y] * 2 + [x / z] * 2 + [y / z] * 2, rel=1e-3)


@pytest.mark.parametrize("limit", [0.03, 0.9, 1.0, 4.9, 5.0, 7.0, 120.0])
def test_scale_bar_has_a_round_length_that_fits(limit):
    length = round_length(limit)
    assert limit / 2.5 <= length <= limit
    assert f"{length:e}"[0] in "125"


def test_scale_bar_has_the_length_of_its_label(volume, result, structures):
    page = draw_overlay(volume, result, structures=structures)
    (x0, x1), axial = next(iter(page.figure.artists)).get_xdata(), panels_of(page)[0]
    label = next(found for text in texts_of(page) if (found := re.fullmatch(r"([\d.]+) mm", text.get_text())))
    mm_per_width = 28.0 / axial.get_position().width
    assert (x1 - x0) * mm_per_width == pytest.approx(float(label[1]), rel=1e-3)


SHAPES = {
    "like the demo": ((36, 50, 35), (1.0, 1.0, 1.0), 2),
    "a tall spine": ((300, 40, 40), (1.0, 1.0, 2.0), 3),
    "few thick slices": ((10, 200, 200), (1.0, 1.0, 8.0), 3),
    "one wide slab": ((20, 24, 400), (1.0, 1.0, 1.0), 3),
    "many structures": ((36, 50, 35), (1.0, 1.0, 1.0), 60),
}


@pytest.mark.parametrize("name", SHAPES)
def test_all_texts_are_inside_the_page_without_overlap(make_case, structures, name):
    shape, spacing, count = SHAPES[name]
    labels = np.zeros((1, *shape), dtype=np.uint8)
    labels[0, 1:-1, 4:-4, 4:-4] = 1
    volume, result = make_case(shape, spacing, labels=labels)
    many = tuple(
        dataclasses.replace(structures[0], label=label, name=f"{label} of many structures with a long name")
        for label in range(1, count + 1)
    )
    page = draw_overlay(volume, result, structures=many, image_name="A very long name " * 20 + ".nii.gz")
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts_of(page)]
    whole = page.figure.bbox
    for text, box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, f"{text!r} is cut off"  # noqa: PT018
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, f"{text!r} is cut off"  # noqa: PT018
    for (text, box), (other, place) in itertools.combinations(boxes, 2):
        assert not box.overlaps(place), f"{text!r} covers {other!r}"
    for panel in panels_of(page):
        for text, box in boxes:
            assert not box.overlaps(panel.get_window_extent()), f"{text!r} covers a panel"


def test_one_voxel_of_a_structure_in_a_large_image_is_visible(make_case, structures, tmp_path):
    labels = np.zeros((1, 60, 250, 250), dtype=np.uint8)
    labels[0, 20, 100, 100] = 2
    volume, result = make_case((60, 250, 250), (1.0, 1.0, 3.0), labels=labels)
    write_overlay(volume, result, tmp_path / "overlay.png", structures=structures)
    assert count_color(pixels(tmp_path / "overlay.png")[100:700, :1400], structures[1].color) > 100


def test_background_is_dark_and_voxels_are_crisp(make_case, structures, tmp_path):
    volume, result = make_case()
    # A checkerboard has two gray values; blurred drawing would make more of them.
    volume.array[0] = np.indices(volume.shape).sum(axis=0) % 2
    write_overlay(volume, result, tmp_path / "overlay.png", structures=structures)
    image = pixels(tmp_path / "overlay.png")
    assert image[0, 0].max() < 30
    panel = image[-330:-230, 220:240]  # Part of the axial panel of the lower row, beside the structures.
    assert set(np.unique(panel)) == {0, 255}


def test_same_value_has_the_same_color_in_every_image():
    display = map_display("error_probability", classes=3)
    quiet, loud = np.array([[0.0, 0.2]]), np.array([[0.2, 0.6]])
    np.testing.assert_array_equal(color_values(quiet, display)[0, 1], color_values(loud, display)[0, 0])


def test_names_with_dollar_signs_are_drawn_literally(volume, result, structures):
    name = "a$x_2$ é.nii.gz"
    odd = [dataclasses.replace(structures[0], name="b$y_2$")]
    page = draw_overlay(volume, result, structures=odd, image_name=name)
    found = [text for text in texts_of(page) if "$" in text.get_text()]
    assert [text.get_text().split("\n")[0] for text in found] == ["b$y_2$", name]
    assert not any(text.get_parse_math() for text in found)


def test_what_no_font_has_becomes_a_question_mark():
    assert printable("é\n\U0010fffd") == "é??"


def test_long_name_keeps_its_ends():
    assert shorten("patient_0123456789_series_7.nii.gz", 15) == "patient….nii.gz"
    assert shorten("short", 5) == "short"


def test_same_result_gives_the_same_picture(volume, result, structures, tmp_path):
    for name in ("one.png", "two.png"):
        write_overlay(volume, result, tmp_path / name, structures=structures)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_file_is_a_png_of_the_whole_page(volume, result, structures, tmp_path):
    write_overlay(volume, result, tmp_path / "overlay.png", structures=structures)
    page = draw_overlay(volume, result, structures=structures)
    buffer = io.BytesIO()
    FigureCanvasAgg(page.figure).print_png(buffer)
    assert (tmp_path / "overlay.png").read_bytes() == buffer.getvalue()


def test_picture_that_cannot_be_written_is_an_error_of_one_line(volume, result, structures, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_overlay(volume, result, tmp_path / "missing" / "overlay.png", structures=structures)
