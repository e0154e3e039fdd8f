"""The command that puts evaluations side by side: its numbers, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from trustseg_training.cli import main
from trustseg_training.evaluation import MEASURES, TABLE


def _evaluation(folder: Path, model: str, dice: dict[str, list[float]], hd95: float | None = 2.0) -> Path:
    """Write the table of one model; ``dice`` has the images' values by patient."""
    folder.mkdir(parents=True)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["model", "case", "patient", "structure", *MEASURES])
        writer.writeheader()
        for patient, values in dice.items():
            for number, value in enumerate(values):
                row = dict.fromkeys(MEASURES, 0.5) | {"dice": value, "hd95_mm": hd95}
                header = {"model": model, "case": f"{patient}_{number}", "patient": patient}
                writer.writerow({**header, "structure": "liver", **row})
    return folder


def _lines(output: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (output / "comparison.csv").open(encoding="utf-8") as stream:
        return {(row["model"], row["measure"]): row for row in csv.DictReader(stream)}


def test_table_has_means_intervals_and_the_paired_difference_to_the_first(tmp_path):
    first = {str(i): [0.70 + 0.01 * i] for i in range(8)}
    second = {str(i): [0.72 + 0.011 * i] for i in range(8)}
    folders = [_evaluation(tmp_path / "a", "a", first), _evaluation(tmp_path / "b", "b", second)]
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "out")]) == 0
    row = _lines(tmp_path / "out")["b", "dice"]
    differences = np.array([0.02 + 0.001 * i for i in range(8)])
    assert float(row["difference"]) == pytest.approx(differences.mean())
    assert 0.02 <= float(row["difference_low"]) < differences.mean() < float(row["difference_high"]) <= 0.027
    assert float(row["p_value"]) == pytest.approx(2 / 2**8)
    base = _lines(tmp_path / "out")["a", "dice"]
    assert float(base["mean"]) == pytest.approx(0.735)
    assert (base["difference"], base["p_value"]) == ("", "")
    written = (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert "## liver: dice" in written
    assert "| b | 8 | 0.7585 [" in written


def test_p_values_are_corrected_for_the_models_of_one_table(tmp_path):
    """Eight patients: all are better (p 2/256), all but the smallest (4/256), every other one."""
    base = {str(i): [0.5] for i in range(8)}
    steps = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
    signs = {"b": [1] * 8, "c": [-1] + [1] * 7, "d": [1, -1] * 4}
    folders = [_evaluation(tmp_path / "a", "a", base)]
    for name, sign in signs.items():
        dice = {str(i): [0.5 + steps[i] * sign[i]] for i in range(8)}
        folders.append(_evaluation(tmp_path / name, name, dice))
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "out")]) == 0
    lines = _lines(tmp_path / "out")
    raw = {name: float(lines[name, "dice"]["p_value"]) for name in signs}
    assert (raw["b"], raw["c"]) == pytest.approx((2 / 256, 4 / 256))
    expected = {"b": 3 * raw["b"], "c": 2 * raw["c"], "d": raw["d"]}
    for name, p in expected.items():
        assert float(lines[name, "dice"]["p_value_holm"]) == pytest.approx(p), name
        assert lines[name, "iou"]["p_value_holm"] == "1.0"
    assert lines["a", "dice"]["p_value_holm"] == ""
    written = (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert "| p (Holm) |" in written
    assert "corrected by Holm's method for the number of models in its table" in written
    (row,) = (
        line for line in written.split("## liver: dice")[1].split("##")[0].splitlines() if "| c |" in line
    )
    assert row.endswith(f"| {2 * raw['c']:.3g} |")


def test_a_folder_of_several_evaluations_is_taken_whole_and_repeats_bit_for_bit(tmp_path):
    for name in ("b", "a", "c"):
        _evaluation(tmp_path / "all" / name, name, {str(i): [0.1 * i] for i in range(4)})
    for output in ("one", "two"):
        assert main(["compare", str(tmp_path / "all"), "-o", str(tmp_path / output)]) == 0
    assert [model for model, measure in _lines(tmp_path / "one") if measure == "dice"] == ["a", "b", "c"]
    for name in ("comparison.csv", "comparison.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_patient_with_many_images_counts_once(tmp_path):
    values = {"one": [0.0, 0.0, 0.0, 0.0], "two": [1.0]}
    tables = [_evaluation(tmp_path / name, name, values) / TABLE for name in ("a", "b")]
    assert main(["compare", *map(str, tables), "-o", str(tmp_path / "out")]) == 0
    row = _lines(tmp_path / "out")["a", "dice"]
    assert (row["patients"], float(row["mean"])) == ("2", 0.5)


def test_measure_without_values_is_left_out(tmp_path):
    values = {"1": [0.0], "2": [0.0]}
    folders = [
        _evaluation(tmp_path / "a", "a", values, hd95=None),
        _evaluation(tmp_path / "b", "b", values, hd95=3.0),
    ]
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "out")]) == 0
    lines = _lines(tmp_path / "out")
    assert ("a", "hd95_mm") not in lines
    assert lines["b", "hd95_mm"]["difference"] == ""


def test_different_patients_are_refused_in_one_line(tmp_path, capsys):
    first = _evaluation(tmp_path / "a", "a", {"1": [0.5], "2": [0.5]})
    other = _evaluation(tmp_path / "b", "b", {"1": [0.5], "3": [0.5]})
    assert main(["compare", str(first), str(other), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert "different patients or structures: only a has 2_0, liver" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.unlink(), "name a folder that `evaluate` wrote"),
        (lambda table: table.write_text("case,dice\n1,0.5\n"), "not a table of `evaluate`"),
        (lambda table: table.write_text(table.read_text().replace("0.25", "high")), "not a table"),
        (lambda table: table.write_text(table.read_text().replace("b,1_0", "c,1_0")), "of one model"),
        (lambda table: table.write_text(table.read_text().replace("b,", "a,")), "named a; rename"),
        (lambda table: table.write_text(""), "not a table"),
    ],
)
def test_tables_that_cannot_be_compared_are_named(tmp_path, capsys, damage, message):
    values = {"1": [0.25], "2": [0.5]}
    first, other = (_evaluation(tmp_path / name, name, values) for name in ("a", "b"))
    damage(other / TABLE)
    assert main(["compare", str(first), str(other), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_single_evaluation_is_refused(tmp_path, capsys):
    folder = _evaluation(tmp_path / "a", "a", {"1": [0.5]})
    assert main(["compare", str(folder), "-o", str(tmp_path / "out")]) == 2
    assert "name two or more" in capsys.readouterr().err
