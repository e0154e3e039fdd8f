"""Several trainings in the report and as Markdown: the summary's own numbers, and what of them is luck."""

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

from trustseg_training import corruptions
from trustseg_training.cli import main
from trustseg_training.metrics.calibration_error import reliability
from trustseg_training.metrics.statistics import bootstrap_mean
from trustseg_training.report import numbers, write_report
from trustseg_training.report.named_conditions import named_conditions
from trustseg_training.report.trainings import _whose, columns_of, pairs_of, rough, training_sentences
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
            structures.append({**header, "structure": name, "dice": value, **values})
        columns = [f"{name}_near_{measure}" for name in UNCERTAINTIES for measure in DETECTION]
        columns += ["snr_db", "seconds", "within_bound", *(f"score_mean_{name}" for name in UNCERTAINTIES)]
        values = dict(zip(columns, generator.uniform(0, 1, len(columns)), strict=True))
        cases.append({**header, "dice": dice.mean(), **values})
        answer = generator.dirichlet([5, 1, 1], 50)
        sums[model, condition, patient] = reliability(answer, generator.integers(0, 3, 50))
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


def test_page_keeps_ids_of_its_own_and_its_sections_in_order(text):
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids)), "two plots share their ids"
    assert [int(number) for number in re.findall(r"<h2>(\d+)\. ", text)] == list(range(1, 8))
    assert "vdp <b>" not in text
    assert "McCarthy and Snowden" in text, "how the intervals are made is to be defined"


@pytest.fixture
def without_plots(monkeypatch):
    """A report without the plots of all models, which take seconds and are not looked at."""
    monkeypatch.setattr("trustseg_training.report.report.chapters", lambda *_: [])


def test_report_without_groups_has_nothing_of_them(measured, tmp_path, without_plots):
    tables, summary = measured
    for absent in ({"seeds": {}, "seed_differences": []}, {}):
        bare = {key: value for key, value in summary.items() if not key.startswith("seed")} | absent
        found = write_report(tmp_path, tables, {**bare, "seed": 3}, SUITE).read_text(encoding="utf-8")
        assert "everal trainings" not in found
        assert "6. Provenance" in found


def test_means_and_ranges_are_those_of_the_summary(measured, section):
    _, summary = measured
    group = summary["seeds"]["vdp <b>"]
    rows = [row for row in section.rows if "vdp <b> (2 trainings)" in row]
    dice = [group["dice"][key][name]["mean"] for key in SUITE.conditions for name in STRUCTURES]
    shown = [row[row.index("vdp <b> (2 trainings)") + 1 :] for row in rows[: len(SUITE.conditions)]]
    assert [cells[at] for cells in shown for at in (0, 2)] == [numbers.share(each) for each in dice]
    lengths = [group["hd95_mm"][key][STRUCTURES[0]]["mean"] for key in SUITE.conditions]
    assert [cells[1] for cells in shown] == [numbers.length(each) for each in lengths]
    for place, key in enumerate(SUITE.conditions):
        detected = group["detection"][key]["error_probability"]
        means = [group["calibration"][key]["ece"], detected["auroc"], detected["average_precision"]]
        assert shown[place][4:] == [numbers.share(each["mean"]) for each in means]
    clean = group["dice"]["clean"][STRUCTURES[0]]
    assert f"{numbers.share(clean['low'])} to {numbers.share(clean['high'])}" in section.text


def test_single_model_stands_beside_without_a_range_and_members_do_not(measured, section):
    _, summary = measured
    row = next(row for row in section.rows if "both & all" in row)
    own = summary["conditions"]["both & all"]["clean"]["structures"][STRUCTURES[0]]["dice"]
    assert row[row.index("both & all") + 1] == numbers.share(own["value"])
    assert f"[{numbers.share(own['low'])}, " not in section.text, (
        "its interval is of patients, no range of trainings"
    )
    assert not any("d1" in row for row in section.rows)


def test_pool_of_groups_is_that_of_the_summary(measured, section):
    _, summary = measured
    for score in summary["seeds"]["plain"]["pool"].values():
        wanted = numbers.share(score["aurc"]["mean"])
        assert any("plain (3 trainings)" in row and wanted in row for row in section.rows)


def test_differences_say_what_was_drawn_and_mark_those_that_leave_0_out(measured, text, section):
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


def test_plot_of_a_group_has_a_band_and_that_of_a_model_none(text):
    drawing = re.search(r'<table id="trainings-means">.*?(<svg.*?</svg>)', text, re.S).group(1)
    bands = re.findall(r'<g id="p\d+-FillBetweenPolyCollection_\d+"', drawing)
    assert len(bands) == len(STRUCTURES) * len(GROUPS), "one panel for each structure: Gaussian noise by SNR"


@pytest.mark.parametrize(("numbers_of", "few"), [({"a": 5, "b": 6}, False), ({"a": 5, "b": 4}, True)])
def test_few_trainings_are_called_few(numbers_of, few):
    seeds = {name: {"models": [f"{name}{i}" for i in range(number)]} for name, number in numbers_of.items()}
    said = rough({"seeds": seeds, "conditions": {}}, list(seeds))
    assert f"There are 5 trainings of a and {numbers_of['b']} trainings of b." in said
    assert ("too narrow" in said) == few


def test_sentences_count_what_is_higher_lower_and_luck(measured):
    _, summary = measured
    told = copy.deepcopy(summary)
    intervals = [(0.01, 0.02), (-0.02, -0.01), (0.0, 0.1)]
    pair = told["seed_differences"][0]
    for key, (low, high) in zip(pair["conditions"], intervals, strict=True):
        for name in STRUCTURES:
            pair["conditions"][key]["structures"][name]["dice"].update(value=0.01, low=low, high=high)
        pair["conditions"][key]["calibration"]["ece"].update(value=0.02, low=low, high=high)
    conditions, columns = named_conditions(SUITE), columns_of(told)
    lines = training_sentences(told, conditions, columns, pairs_of(told, columns))
    luck = "luck of patients and training can explain the difference"
    said = f"6 comparisons of Dice: higher in 2; lower in 2; in 2 {luck} (mean +.010)."
    error = "3 comparisons of the calibration error (ECE, lower is better): higher in 1; lower in 1; "
    error += f"in 1 {luck} (mean +.020)."
    assert f"vdp <b> against plain: {said} {error}" in lines
    widest = told["seeds"]["plain"]["dice"]["gain-2"][STRUCTURES[1]]
    widest.update(low=0.0, high=1.0)
    lines = training_sentences(told, conditions, columns, [])
    assert (
        f"farthest apart for {STRUCTURES[1]}, Gain (brightness), severity 2: their mean Dice is .000 to 1.000"
        in lines[1]
    )


def _printed(summary, tmp_path, capsys, *words: str) -> str:
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds", *words]) == 0
    return capsys.readouterr().out


def test_markdown_has_a_column_for_groups_and_models_and_one_for_each_pair(measured, tmp_path, capsys):
    _, summary = measured
    out = _printed(summary, tmp_path, capsys)
    first = out.split("\n\n")[1].splitlines()
    assert out.startswith(f"**Dice of {STRUCTURES[0]}**")
    assert first[0] == "| condition | vdp <b> (2 trainings) | plain (3 trainings) | both & all |"
    clean = summary["seeds"]["vdp <b>"]["dice"]["clean"][STRUCTURES[0]]
    told = [numbers.share(clean[name]) for name in ("mean", "low", "high")]
    assert first[2].startswith("| clean | {} ({} to {}) |".format(*told))
    heads = "| condition | vdp <b> less plain | vdp <b> less both & all | plain less both & all |"
    assert out.count(heads) == len(STRUCTURES) + 2
    ece = summary["seed_differences"][1]["conditions"]["clean"]["calibration"]["ece"]
    cell = f"{numbers.difference(ece['value'])} {numbers.interval(ece, numbers.difference)}"
    table = out[out.index("**Difference in ECE**") :]
    assert table.split("\n")[4].split(" | ")[2] == cell
    assert "HD95" in out
    assert "- vdp <b> less both & all: patients and 2 trainings of vdp <b>\n" in out


def test_markdown_of_named_columns_has_these_in_their_order(measured, tmp_path, capsys):
    _, summary = measured
    out = _printed(summary, tmp_path, capsys, "--models", "both & all", "plain")
    assert "| condition | both & all | plain (3 trainings) |" in out
    assert "| condition | plain less both & all |" in out
    assert "vdp" not in out


def test_summary_of_groups_that_is_older_than_their_differences_is_still_told(
    measured, tmp_path, capsys, without_plots
):
    tables, summary = measured
    kept = ("models", "dice", "pool")
    seeds = {name: {key: group[key] for key in kept} for name, group in summary["seeds"].items()}
    old = {key: value for key, value in summary.items() if key != "seed_differences"} | {"seeds": seeds}
    out = _printed(old, tmp_path, capsys)
    clean = summary["seeds"]["plain"]["dice"]["clean"][STRUCTURES[0]]
    assert f"{numbers.share(clean['mean'])} ({numbers.share(clean['low'])} to" in out
    assert "Differences have" not in out
    assert "The differences were not measured, by an earlier version: verify again." in out
    page = write_report(tmp_path, tables, old, SUITE).read_text(encoding="utf-8")
    assert "The differences were not measured, by an earlier version: verify again." in page


def test_luck_of_training_is_told_of_the_side_that_was_drawn():
    pair = {"first": "vdp", "second": "ensemble"}
    assert _whose({**pair, "networks": [3, 1]}) == "patients and of the training of vdp"
    assert _whose({**pair, "networks": [1, 2]}) == "patients and of the training of ensemble"
    assert _whose({**pair, "networks": [2, 2]}) == "patients and training"
    assert _whose({**pair, "networks": [1, 1]}) == "patients"


def test_value_that_some_trainings_lack_says_of_how_many_it_is(measured, tmp_path, capsys):
    _, summary = measured
    told = copy.deepcopy(summary)
    told["seeds"]["plain"]["hd95_mm"]["clean"][STRUCTURES[0]] = {"mean": 2, "low": 1, "high": 3, "seeds": 2}
    assert "2.00 (1.00 to 3.00, 2 of 3)" in _printed(told, tmp_path, capsys)


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
def test_what_cannot_be_told_of_trainings_is_named(measured, tmp_path, capsys, words, said):
    (tmp_path / "summary.json").write_text(json.dumps(measured[1]), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds", *words]) == 2
    assert said in capsys.readouterr().err


def test_verification_without_groups_says_how_to_get_them(measured, tmp_path, capsys):
    bare = {**measured[1], "seeds": {}}
    (tmp_path / "summary.json").write_text(json.dumps(bare), encoding="utf-8")
    assert main(["results", str(tmp_path), "--seeds"]) == 2
    assert "verify again with --seeds GROUP NAME NAME" in capsys.readouterr().err
