"""`report.html` as a whole: complete, on its own, well-formed, and with the summary's own numbers."""

from __future__ import annotations

import re
from functools import partial
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas
import pytest

from trustseg_training import attacks, corruptions, formatting
from trustseg_training.metrics.calibration_error import reliability
from trustseg_training.metrics.statistics import bootstrap_statistic
from trustseg_training.report import Example, PredictedSlice, write_report
from trustseg_training.report.condition_plots import positions
from trustseg_training.report.drawing import new_figure, panels, styles_of, svg
from trustseg_training.report.examples import display
from trustseg_training.report.named_conditions import families, named_conditions
from trustseg_training.robustness.suite import Suite
from trustseg_training.robustness.summary import summarize
from trustseg_training.robustness.tables import Tables

CORRUPTIONS = tuple(map(corruptions.parse, ("gaussian-8dB", "gain-2", "speckle-2dB@1")))
SUITE = Suite("own", "A & <own> é", CORRUPTIONS, (attacks.parse("fgsm-0.02"),))
MODELS = ("a<b>&é --$x$", "sure")
STRUCTURES = ("Left & <half>", "Right")
VOID = {"meta", "img", "br", "link", "input", "hr"}


def tables_of(models: tuple[str, ...]) -> Tables:
    """Random numbers of three patients; the model called sure has no variance, one HD95 is missing."""
    generator = np.random.default_rng(0)
    structures, cases, sums = [], [], {}
    for model in models:
        for condition in SUITE.conditions:
            for patient in ("p1", "p2", "p3"):
                header = {"model": model, "condition": condition, "case": patient, "patient": patient}
                dice = generator.uniform(0.6, 0.95, 2)
                for name, value in zip(STRUCTURES, dice, strict=True):
                    structures.append({**header, "structure": name, **_masks(generator, value)})
                cases.append({**header, "dice": dice.mean(), **_case(generator, model == "sure")})
                values = generator.dirichlet([5, 1, 1], 50)
                sums[model, condition, patient] = reliability(values, generator.integers(0, 3, 50))
    found = pandas.DataFrame(structures)
    found.loc[found["condition"] == "gain-2", "hd95_mm"] = None
    reason = "not in reach <at all>"
    skipped = [{"condition": "gain-2", "case": "p4", "patient": "p4", "reason": reason}]
    cuts = found[["model", "condition", "case", "patient", "dice", "hd95_mm"]].assign(
        structure="union of all"
    )
    return Tables(found, pandas.DataFrame(cases), sums, skipped, cuts)


def _masks(generator: np.random.Generator, dice: float) -> dict:
    names = ["iou", "hd95_mm", "surface_dice", "over_segmentation", "under_segmentation", "expected_dice"]
    names += [f"delta_dice_{share}" for share in (1, 2, 5, 10)]
    names += [f"qu_brats_{name}" for name in ("error_probability", "predictive_variance", "entropy")]
    names += ["volume_bias"]
    return {"dice": dice, **dict(zip(names, generator.uniform(0, 1, len(names)), strict=True))}


def _case(generator: np.random.Generator, sure: bool) -> dict:
    row = {"snr_db": 8.0, "seconds": 1.0, "within_bound": 1.0, "score_expected_dice": generator.uniform()}
    for name in ("error_probability", "predictive_variance", "entropy"):
        factor = 0.0 if sure and name == "predictive_variance" else 1.0
        row[f"score_mean_{name}"] = factor * generator.uniform()
        for measure in ("auroc", "average_precision", "overlap", "mean_correct", "mean_wrong"):
            row[f"{name}_near_{measure}"] = factor * generator.uniform()
    return row


def example(condition: str) -> Example:
    labels = np.zeros((9, 7), int)
    labels[3:6, 2:4], labels[3:6, 4:6] = 1, 2
    answers = [
        PredictedSlice(model, labels * 10.0, labels, labels, labels / 4, (9.0, 7.0), (0.0, 20.0), 0.9)
        for model in MODELS
    ]
    return Example("p2", condition, "axial", STRUCTURES, tuple(answers))


def summary_of(tables: Tables) -> dict:
    models = list(dict.fromkeys(tables.cases["model"]))
    header = {"suite": "own", "title": SUITE.title, "seed": 3, "cases": 3}
    header["seen"] = {models[0]: {"fit": ["clean", "gaussian-2dB"], "training": ["blur", "gain"]}}
    few = partial(bootstrap_statistic, resamples=20)  # intervals are not looked at, and take a while
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trustseg_training.robustness.summary.bootstrap_statistic", few)
        found = summarize(tables, SUITE)
    return {**header, "models": {model: f"hash of {model}" for model in models}, **found}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> tuple[dict, str]:
    """A summary and its report."""
    tables = tables_of(MODELS)
    summary = summary_of(tables)
    folder = tmp_path_factory.mktemp("report")
    path = write_report(folder, tables, summary, SUITE, [example("clean"), example("fgsm-0.02")])
    assert path == folder / "report.html"
    return summary, path.read_text(encoding="utf-8")


class _Page(HTMLParser):
    """Checks that tags are closed in order; keeps ids, links, text and the cells of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.attributes = [], [], []
        self.rows: list[list[str]] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *each) for each in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *each) for each in attributes]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data.strip()


@pytest.fixture(scope="module")
def page(rendered) -> _Page:
    parser = _Page()
    parser.feed(rendered[1])
    parser.close()
    return parser


def test_every_tag_is_closed_and_every_id_is_unique(page):
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    used = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert used <= set(page.ids), "a plot refers to what is not there"


def test_report_is_self_contained(rendered, page):
    loading = {"src", "href", "srcset", "data", "poster", "action"}
    loaded = [value for _, name, value in page.attributes if name in loading]
    assert loaded
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in loaded)
    assert not re.search(r"url\((?!#)|@import|<script|<link|<iframe", rendered[1])


def test_plots_are_well_formed(rendered):
    drawings = re.findall(r"<svg.*?</svg>", rendered[1], re.S)
    assert len(drawings) > 20
    for text in drawings:
        ElementTree.fromstring(text)
        assert "currentColor" in text, "letters would be black on a dark page"
        assert "#010203" not in text


def test_names_are_escaped_and_every_model_structure_and_condition_is_shown(rendered, page):
    summary, text = rendered
    assert "a<b>" not in text
    assert "<own>" not in text
    for name in (*MODELS, *STRUCTURES, SUITE.title, *summary["models"].values()):
        assert name in page.text
    for condition in named_conditions(SUITE):
        assert any(condition.title in row[:1] for row in page.rows), condition.key


def test_values_of_the_table_equal_those_of_the_summary(rendered, page):
    summary, _ = rendered
    shown = [row for row in page.rows if any(cell.endswith(" of 3") for cell in row[-1:])]
    assert len(shown) == len(MODELS) * len(SUITE.conditions)
    expected = iter(shown)
    for condition in SUITE.conditions:
        for model in MODELS:
            row = next(expected)
            cells = row[row.index(model) + 1 :]
            for index, name in enumerate(STRUCTURES):
                found = summary["conditions"][model][condition]["structures"][name]
                difference = (found["difference"] or {"mean": {"value": None}})["mean"]["value"]
                wanted = (formatting.share(found["dice"]["value"]), formatting.difference(difference))
                assert tuple(cells[4 * index : 4 * index + 2]) == wanted
                assert cells[4 * index + 3] == formatting.length(found["hd95_mm"]["value"])
                assert f"[{formatting.share(found['dice']['low'])}, " in page.text
    assert any("\N{EN DASH}" in row for row in shown), "a missing HD95 must be shown as missing"


def test_pool_table_has_every_score_of_every_model(rendered, page):
    summary, _ = rendered
    for model in MODELS:
        for score in summary["pool"][model].values():
            assert any(
                model in row and formatting.share(score["aurc"]["value"]) in row for row in page.rows
            ), f"{model}: AURC is not that of the summary"


def test_skipped_images_are_listed_with_their_reason(page):
    assert "Gain (brightness), severity 2: not measured on 1 image (p4: not in reach <at all>)" in page.text


def test_research_use_comes_first_and_seed_and_hashes_last(page):
    assert page.text.index("Research use only") < page.text.index("1. Summary")
    assert "hash of sure" in page.text[page.text.index("6. Provenance") :]
    assert "seed 3" in page.text


def test_examples_are_pictures_with_their_case_and_dice(rendered, page):
    assert rendered[1].count("data:image/png;base64,") == 2
    assert "FGSM attack, epsilon 2 %, axial slice" in page.text
    assert "sure .900" in page.text


def test_scale_of_the_pictures_is_fixed():
    shown = display()
    assert (shown.low, shown.high * shown.factor, shown.unit) == (0, 50, "%")


def test_report_of_one_model_has_no_comparisons(tmp_path):
    tables = tables_of(("sure",))
    text = write_report(tmp_path, tables, summary_of(tables), SUITE).read_text(encoding="utf-8")
    assert "No examples were drawn" in text
    assert "sure gives no variance" in text
    assert "Against" not in text
    assert "None" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S)


def test_plots_round_coordinates_but_keep_names_and_scales():
    figure = new_figure(2.0)
    panels(figure, 1, 1)[0][0].plot([0, 1 / 3, 2 / 3], [0.123456, 1 / 7, 0.2])
    drawn = svg(figure, 1, "run-0.123456")
    assert 'aria-label="run-0.123456"' in drawn
    assert "scale(0.015625)" in drawn, "letters are drawn in units of 1/64"
    finer = re.findall(r"\d+\.\d{3,}", re.sub(r'aria-label="[^"]*"|scale\([^)]*\)', "", drawn))
    assert not finer
    assert ElementTree.fromstring(drawn).tag == "svg"


def test_every_model_has_its_own_look():
    styles = styles_of([str(index) for index in range(20)])
    assert len({(style.color, style.dashes) for style in styles.values()}) == 20


def test_panels_run_from_clean_to_the_worst():
    suite = Suite("x", "X", tuple(map(corruptions.parse, ("gaussian-0dB", "gaussian-15dB", "gaussian-3"))))
    found = families(named_conditions(suite), "noise")
    assert [[each.key for each in chain] for chain in found.values()] == [
        ["clean", "gaussian-15dB", "gaussian-0dB"],
        ["clean", "gaussian-3"],
    ]
    places = positions(next(iter(found.values())))
    assert places[1:] == [-15, 0]
    assert places[0] < places[1]
