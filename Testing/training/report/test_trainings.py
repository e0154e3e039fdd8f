"""Several trainings in the report and as Markdown: the summary's own values, and their seed variation."""

from __future__ import annotations

import copy
import itertools
import json
import re
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pandas
import pytest

from trustseg_training import corruptions, formatting
from trustseg_training.cli import main
from trustseg_training.metrics.calibration_error import reliability
from trustseg_training.metrics.statistics import bootstrap_mean
from trustseg_training.report import write_report
from trustseg_training.report.named_conditions import named_conditions
from trustseg_training.report.trainings import (
    _drawn_sides,
    columns_of,
    interval_caution,
    pairs_of,
    training_sentences,
)
from trustseg_training.robustness.seed_variation import differences, over_seeds
from trustseg_training.robustness.suite import Suite
from trustseg_training.robustness.summary import summarize
from trustseg_training.robustness.tables import Tables

SUITE = Suite("own", "Own", tuple(map(corruptions.parse, ("gaussian-8dB", "gain-2"))), ())
STRUCTURES = ("Left & <half>", "Right")
MODELS = ("v<1>", "v<2>", "d1", "d2", "d3", "both & all")
GROUPS = {"vdp <b>": ["v<1>", "v<2>"], "plain": ["d1", "d2", "d3"]}


MASKS = ("iou", "hd95_mm", "surface_dice", "over_segmentation", "under_segmentation", "expected_dice")
MASKS += tuple(f"delta_dice_{share}" for share in (1, 2, 5, 10))
UNCERTAINTIES = ("error_probability", "predictive_variance", "entropy")
DETECTION = ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong")


def tables_of() -> Tables:
    """Random numbers of four patients."""
    generator = np.random.default_rng(0)
    structures, cases, sums = [], [], {}
    for model, condition, patient in itertools.product(MODELS, SUITE.conditions, ("p1", "p2", "p3", "p4")):
        header = {"model": model, "condition": condition, "case": patient, "patient": patient}
        dice = generator.uniform(0.6, 0.95, 2)
        names = (*MASKS, *(f"qu_brats_{name}" for name in UNCERTAINTIES))
        for name, value in zip(STRUCTURES, dice, strict=True):
            values = dict(zip(names, generator.uniform(0, 1, len(names)), strict=True))
            structures.append({**header, "structure": name, "dice": value, "volume_bias": 0.05, **values})
        columns = [f"{name}_near_{measure}" for name in UNCERTAINTIES for measure in DETECTION]
        columns += ["snr_db", "seconds", "within_bound", *(f"score_mean_{name}" for name in UNCERTAINTIES)]
        values = dict(zip(columns, generator.uniform(0, 1, len(columns)), strict=True))
        cases.append({**header, "dice": dice.mean(), **values})
        values = generator.dirichlet([5, 1, 1], 50)
        sums[model, condition, patient] = reliability(values, generator.integers(0, 3, 50))
    return Tables(pandas.DataFrame(structures), pandas.DataFrame(cases), sums, [])


@pytest.fixture(scope="module")
def measured() -> tuple:
    """Tables and summary of two groups and a single model."""
    tables = tables_of()
    with pytest.MonkeyPatch.context() as patch:  # intervals of single models are not looked at
        patch.setattr("trustseg_training.robustness.summary.RESAMPLES", 20)
        few = partial(bootstrap_mean, resamples=20)
        patch.setattr("trustseg_training.robustness.summary.bootstrap_mean", few)
        found = summarize(tables, SUITE)
    hashes = {model: f"hash of {model}" for model in MODELS}
    summary = {"suite": "own", "title": "Own", "seed": 3, "cases": 4, "models": hashes, **found}
    summary["seeds"] = over_seeds(summary, GROUPS)
    summary["seed_differences"] = differences(tables, GROUPS)
    return tables, summary


@pytest.fixture(scope="module")
def text(measured, tmp_path_factory) -> str:
    """The whole report, once: its other plots take seconds."""
    tables, summary = measured
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trustseg_training.report.readings.RESAMPLES", 20)
        path = write_report(tmp_path_factory.mktemp("report"), tables, summary, SUITE)
    return path.read_text(encoding="utf-8")


class Section:
    """The section's text and the cells of its tables; it is to be well-formed."""

    def __init__(self, page: str) -> None:
        found = re.search(r'<section id="trainings">.*?</section>', page, re.S).group(0)
        self.tree = ElementTree.fromstring(found.replace("<br>", " "))
        self.text = "".join(self.tree.itertext())
        self.rows = [[(cell.text or "").strip() for cell in row] for row in self.tree.iter("tr")]


@pytest.fixture(scope="module")
def section(text) -> Section:
    return Section(text)


def test_ids_are_unique_and_sections_in_order(text):
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids)), "two plots share their ids"
    assert [int(number) for number in re.findall(r"<h2>(\d+)\. ", text)] == list(range(1, 8))
    assert "vdp <b>" not in text
    assert "McCarthy and Snowden" in text, "how the intervals are made is to be defined"


@pytest.fixture
def without_plots(monkeypatch):
    """A report without the plots of all models, which take seconds and are not looked at."""
    monkeypatch.setattr("trustseg_training.report.report.chapters", lambda *_: [])


def test_report_without_groups_lacks_the_section(measured, tmp_path, without_plots):
    tables, summary = measured
    for absent in ({"seeds": {}, "seed_differences": []}, {}):
        bare = {key: value for key, value in summary.items() if not key.startswith("seed")} | absent
        found = write_report(tmp_path, tables, {**bare, "seed": 3}, SUITE).read_text(encoding="utf-8")
        assert "everal trainings" not in found
        assert "6. Provenance" in found


def test_means_and_ranges_equal_those_of_the_summary(measured, section):
    _, summary = measured
    group = summary["seeds"]["vdp <b>"]
    rows = [row for row in section.rows if "vdp <b> (2 trainings)" in row]
    dice = [group["dice"][key][name]["mean"] for key in SUITE.conditions for name in STRUCTURES]
    shown = [row[row.index("vdp <b> (2 trainings)") + 1 :] for row in rows[: len(SUITE.conditions)]]
    assert [cells[at] for cells in shown for at in (0, 2)] == [formatting.share(each) for each in dice]
    lengths = [group["hd95_mm"][key][STRUCTURES[0]]["mean"] for key in SUITE.conditions]
    assert [cells[1] for cells in shown] == [formatting.length(each) for each in lengths]
    for place, key in enumerate(SUITE.conditions):
        detected = group["detection"][key]["error_probability"]
        means = [group["calibration"][key]["ece"], detected["auroc"], detected["average_precision"]]
        assert shown[place][4:] == [formatting.share(each["mean"]) for each in means]
    clean = group["dice"]["clean"][STRUCTURES[0]]
    assert f"{formatting.share(clean['low'])} to {formatting.share(clean['high'])}" in section.text


def test_single_model_has_a_row_without_a_range(measured, section):
    _, summary = measured
    row = next(row for row in section.rows if "both & all" in row)
    own = summary["conditions"]["both & all"]["clean"]["structures"][STRUCTURES[0]]["dice"]
    assert row[row.index("both & all") + 1] == formatting.share(own["value"])
    assert f"[{formatting.share(own['low'])}, " not in section.text, (
        "its interval is of patients, no range of trainings"
    )
    assert not any("d1" in row for row in section.rows)


def test_pool_of_groups_equals_that_of_the_summary(measured, section):
    _, summary = measured
    for score in summary["seeds"]["plain"]["pool"].values():
        wanted = formatting.share(score["aurc"]["mean"])
        assert any("plain (3 trainings)" in row and wanted in row for row in section.rows)


def test_differences_name_what_was_drawn_and_mark_intervals_that_exclude_0(measured, text, section):
    _, summary = measured
    drawn = "drawn with replacement: patients, 2 trainings of vdp <b> and 3 trainings of plain"
    assert drawn in section.text
    assert "drawn with replacement: patients and 2 trainings of vdp <b>" in section.text
    found = [
        each[kind][name][measure]
        for pair in summary["seed_differences"]
        for each in pair["conditions"].values()
        for kind, name, measure in (
            *(("structures", name, "dice") for name in STRUCTURES),
            ("detection", "error_probability", "auroc"),
        )
    ] + [
        each["calibration"]["ece"]
        for pair in summary["seed_differences"]
        for each in pair["conditions"].values()
    ]
    decided = [each for each in found if each["low"] > 0 or each["high"] < 0]
    assert 0 < len(decided) < len(found)
    table = text[text.index('id="trainings-differences"') :]
    assert table[: table.index("</table>")].count("<strong>") == len(decided)


def test_plot_has_a_band_for_groups_only(text):
    drawing = re.search(r'<table id="trainings-means">.*?(<svg.*?</svg>)', text, re.S).group(1)
    bands = re.findall(r'<g id="p\d+-FillBetweenPolyCollection_\d+"', drawing)
    assert len(bands) == len(STRUCTURES) * len(GROUPS), "one panel for each structure: Gaussian noise by SNR"


@pytest.mark.parametrize(("numbers_of", "few"), [({"a": 5, "b": 6}, False), ({"a": 5, "b": 4}, True)])
def test_few_trainings_have_a_caution(numbers_of, few):
    seeds = {name: {"models": [f"{name}{i}" for i in range(number)]} for name, number in numbers_of.items()}
    said = interval_caution({"seeds": seeds, "conditions": {}}, list(seeds))
    assert f"There are 5 trainings of a and {numbers_of['b']} trainings of b." in said
    assert ("too narrow" in said) == few


def test_sentences_count_higher_lower_and_undecided_comparisons(measured):
    _, summary = measured
    changed = copy.deepcopy(summary)
    intervals = [(0.01, 0.02), (-0.02, -0.01), (0.0, 0.1)]
    pair = changed["seed_differences"][0]
    for key, (low, high) in zip(pair["conditions"], intervals, strict=True):
        for name in STRUCTURES:
            pair["conditions"][key]["structures"][name]["dice"].update(value=0.01, low=low, high=high)
        pair["conditions"][key]["calibration"]["ece"].update(value=0.02, low=low, high=high)
    conditions, columns = named_conditions(SUITE), columns_of(changed)
    lines = training_sentences(changed, conditions, columns, pairs_of(changed, columns))
    undecided = "variation between patients and trainings can explain the difference"
    said = f"6 comparisons of Dice: higher in 2; lower in 2; in 2 {undecided} (mean +.010)."
    error = "3 comparisons of the calibration error (ECE, lower is better): higher in 1; lower in 1; "
    error += f"in 1 {undecided} (mean +.020)."
    assert f"vdp <b> against plain: {said} {error}" in lines
    widest = changed["seeds"]["plain"]["dice"]["gain-2"][STRUCTURES[1]]
    widest.update(low=0.0, high=1.0)
    lines = training_sentences(changed, conditions, columns, [])
    assert (
        f"differ most for {STRUCTURES[1]}, Gain (brightness), severity 2: their mean Dice is .000 to 1.000"
        in lines[1]
    )


def _printed(summary, tmp_path, capsys, *words: str) -> str:
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds", *words]) == 0
    return capsys.readouterr().out


def test_markdown_has_columns_for_groups_models_and_pairs(measured, tmp_path, capsys):
    _, summary = measured
    out = _printed(summary, tmp_path, capsys)
    first = out.split("\n\n")[1].splitlines()
    assert out.startswith(f"**Dice of {STRUCTURES[0]}**")
    assert first[0] == "| condition | vdp <b> (2 trainings) | plain (3 trainings) | both & all |"
    clean = summary["seeds"]["vdp <b>"]["dice"]["clean"][STRUCTURES[0]]
    cells = [formatting.share(clean[name]) for name in ("mean", "low", "high")]
    assert first[2].startswith("| clean | {} ({} to {}) |".format(*cells))
    heads = "| condition | vdp <b> less plain | vdp <b> less both & all | plain less both & all |"
    assert out.count(heads) == len(STRUCTURES) + 2
    ece = summary["seed_differences"][1]["conditions"]["clean"]["calibration"]["ece"]
    cell = f"{formatting.difference(ece['value'])} {formatting.interval(ece, formatting.difference)}"
    table = out[out.index("**Difference in ECE**") :]
    assert table.split("\n")[4].split(" | ")[2] == cell
    assert "HD95" in out
    assert "- vdp <b> less both & all: patients and 2 trainings of vdp <b>\n" in out


def test_markdown_has_the_named_columns_in_their_order(measured, tmp_path, capsys):
    _, summary = measured
    out = _printed(summary, tmp_path, capsys, "--models", "both & all", "plain")
    assert "| condition | both & all | plain (3 trainings) |" in out
    assert "| condition | plain less both & all |" in out
    assert "vdp" not in out


def test_summary_without_differences_is_still_reported(measured, tmp_path, capsys, without_plots):
    tables, summary = measured
    kept = ("models", "dice", "pool")
    seeds = {name: {key: group[key] for key in kept} for name, group in summary["seeds"].items()}
    old = {key: value for key, value in summary.items() if key != "seed_differences"} | {"seeds": seeds}
    out = _printed(old, tmp_path, capsys)
    clean = summary["seeds"]["plain"]["dice"]["clean"][STRUCTURES[0]]
    assert f"{formatting.share(clean['mean'])} ({formatting.share(clean['low'])} to" in out
    assert "Differences have" not in out
    assert "An earlier version did not measure the differences: verify again." in out
    page = write_report(tmp_path, tables, old, SUITE).read_text(encoding="utf-8")
    assert "An earlier version did not measure the differences: verify again." in page


def test_variation_is_that_of_the_sides_that_were_drawn():
    pair = {"first": "vdp", "second": "ensemble"}
    assert _drawn_sides({**pair, "networks": [3, 1]}) == "patients and trainings of vdp"
    assert _drawn_sides({**pair, "networks": [1, 2]}) == "patients and trainings of ensemble"
    assert _drawn_sides({**pair, "networks": [2, 2]}) == "patients and trainings"
    assert _drawn_sides({**pair, "networks": [1, 1]}) == "patients"


def test_value_that_some_trainings_lack_has_their_number(measured, tmp_path, capsys):
    _, summary = measured
    changed = copy.deepcopy(summary)
    changed["seeds"]["plain"]["hd95_mm"]["clean"][STRUCTURES[0]] = {
        "mean": 2,
        "low": 1,
        "high": 3,
        "seeds": 2,
    }
    assert "2.00 (1.00 to 3.00, 2 of 3)" in _printed(changed, tmp_path, capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--models", "nobody"],
            "model 'nobody': not verified and no group; name some of vdp <b>, plain, both",
        ),
        (["--targets", "hippocampus", "--model", "d1"], "--seeds and --targets: give one"),
    ],
)
def test_invalid_options_for_groups_are_named(measured, tmp_path, capsys, words, said):
    (tmp_path / "summary.json").write_text(json.dumps(measured[1]), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds", *words]) == 2
    assert said in capsys.readouterr().err


def test_error_without_groups_says_how_to_get_them(measured, tmp_path, capsys):
    bare = {**measured[1], "seeds": {}}
    (tmp_path / "summary.json").write_text(json.dumps(bare), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds"]) == 2
    assert "verify again with --seeds GROUP NAME NAME" in capsys.readouterr().err
