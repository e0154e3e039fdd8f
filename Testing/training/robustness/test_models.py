"""`trustseg-train verify` of ensembles, variants, temperatures, seeds and transferred attacks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from trustseg_training import report
from trustseg_training.cli import main
from trustseg_training.data.augmented_families import TOUCHED
from trustseg_training.dataset import Case, find_cases
from trustseg_training.evaluation import (
    EvaluatedModel,
    load_evaluated_ensemble,
    load_evaluated_model,
    variant_of,
)
from trustseg_training.evaluation.scale_images import CORRUPTIONS
from trustseg_training.robustness import ModelSelection, VerificationPlan, command, parse_variant
from trustseg_training.robustness import summary as summary_module
from trustseg_training.robustness.models import cross_fitted, halves
from trustseg_training.robustness.running import Task, _Key
from trustseg_training.robustness.suite import Protocol, load_suite
from TrustSegLib.errors import OptionError

NETWORK = ["--structures", "Left half", "Right half", "--filters", "2", "--patch", "18", "18", "18"]


@pytest.fixture
def runs(trained) -> dict[str, Path]:
    """Two deterministic networks and a variational one, one epoch each."""
    made = {"d1": ("deterministic", "1"), "d2": ("deterministic", "2"), "v": ("vdp", "1")}
    return {
        name: trained(*NETWORK, "--epochs", "1", "--family", family, "--seed", seed, name=f"runs/{name}")
        for name, (family, seed) in made.items()
    }


def test_one_command_evaluates_runs_ensembles_variants_and_temperatures(runs, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(summary_module, "RESAMPLES", 20)
    monkeypatch.setattr(report, "report_of", lambda verified, output, device: output)
    suite, out = tmp_path / "own.yaml", tmp_path / "out"
    suite.write_text("title: Own\nattacks: [fgsm-0.05, fgsm-0.05-from-d1]\n", encoding="utf-8")
    words = ["verify", str(runs["d1"]), "--data", str(dataset), "-o", str(out), "--suite", str(suite)]
    words += [
        "--ensemble",
        "both",
        str(runs["d1"]),
        str(runs["d2"]),
        "--variant",
        f"corr={runs['v']}:correlated",
    ]
    words += ["--variant", f"first={runs['v']}:taylor"]
    words += ["--temperature", "d1", "both", "--seeds", "group", "d1", "both", "--checkpoint", "last"]
    assert main(words) == 0
    found = json.loads((out / "summary.json").read_text())
    assert list(found["conditions"]) == ["d1", "both", "corr", "first", "d1+T", "both+T"]
    assert [found["networks"][name]["propagation"] for name in ("corr", "first")] == ["correlated", "taylor"]
    words = (
        "d1 --ensemble both d1 d2 --variant corr=v:correlated --variant first=v:taylor --temperature d1 both"
    )
    assert f"verify {words} --checkpoint last --data" in found["command"]

    def records(model: str) -> list[dict]:
        parts = sorted((out / "parts" / model).glob("*.json"))
        return [record for part in parts for record in json.loads(part.read_text())["records"]]

    by_condition = {record["condition"]: record for record in records("d1")}
    own, transferred = (by_condition[key] for key in ("fgsm-0.05", "fgsm-0.05-from-d1"))
    assert transferred["structures"] == own["structures"], "its own gradients, whoever is asked for them"
    others = {record["condition"]: record for record in records("corr")}
    assert others["fgsm-0.05-from-d1"]["snr_db"] == transferred["snr_db"], "the same image is shown"
    assert others["fgsm-0.05-from-d1"]["snr_db"] != others["fgsm-0.05"]["snr_db"]

    assert all("pairwise_dice" in record["scores"] for record in records("both")), "attacks have it too"
    assert "pairwise_dice" not in own["scores"]
    assert records("corr") != records("first"), "one network for two ways through it"
    nll = [[record["reliability"]["nll_sum"] for record in records(name)] for name in ("d1", "d1+T")]
    assert nll[0] != nll[1]
    fit = ["clean", *(corruption.key for corruption in CORRUPTIONS)]
    seen = {name: each["fit"] for name, each in found["seen"].items()}
    assert seen == {"d1": [], "both": [], "corr": [], "first": [], "d1+T": fit, "both+T": fit}
    assert found["seen"]["both+T"]["training"] == list(TOUCHED["default"])
    assert set(found["conditions"]["d1"]["clean"]["union_and_cut"]) >= {
        "union of all",
        "Left half, perfect cut",
    }
    assert found["seeds"]["group"]["dice"]["clean"]["Left half"]["seeds"] == 2
    assert [each["second"] for each in found["seed_differences"]] == ["corr", "first"]


def test_temperature_of_a_patient_is_fitted_on_the_other_half(runs, dataset):
    evaluated = load_evaluated_model(runs["d1"])
    cases = find_cases(dataset)
    patients = [case.patient for case in cases]
    first, second = halves(patients, 3)
    assert sorted(first + second) == sorted(patients)
    assert halves(patients, 4) != (first, second)
    before = temperatures(evaluated, cases)
    for case in cases:
        if case.patient in first:
            sitk.WriteImage(sitk.ReadImage(str(case.label)) * 0, str(case.label))
    after = temperatures(evaluated, cases)
    assert len({before[patient] for patient in first}) == 1
    assert {patient: after[patient] for patient in first} == {patient: before[patient] for patient in first}
    assert all(after[patient] != before[patient] for patient in second), "fitted on the first half's labels"


def temperatures(evaluated: EvaluatedModel, cases: list[Case]) -> dict[str, float]:
    """That each patient is evaluated with."""
    fitted = cross_fitted(evaluated, cases, seed=3)
    options = {
        case.patient: fitted.of_patient(case.patient).model.description.family_options for case in cases
    }
    return {patient: each["temperature"] for patient, each in options.items()}


def test_temperature_of_a_bundle_or_an_unknown_name_is_refused(runs, dataset, tmp_path):
    evaluated = replace(load_evaluated_model(runs["d1"]), run=None)
    with pytest.raises(OptionError, match="only runs and ensembles"):
        cross_fitted(evaluated, find_cases(dataset), 0)
    selection = ModelSelection([runs["d1"]], temperature_scaled=["d3"])
    with pytest.raises(OptionError, match="temperature d3: no such model; name one of d1"):
        command.verify(selection, VerificationPlan(dataset, load_suite("quick")), tmp_path / "o")
    with pytest.raises(OptionError, match="two patients"):
        halves(["a", "a"], 0)


def test_transfer_from_a_missing_or_differently_prepared_model_is_refused(runs, dataset, tmp_path):
    suite = tmp_path / "own.yaml"
    suite.write_text("title: Own\nattacks: [fgsm-0.05-from-d2]\n", encoding="utf-8")
    plan = VerificationPlan(dataset, load_suite(str(suite)))
    with pytest.raises(OptionError, match="from d2, which is not verified"):
        command.verify(ModelSelection([runs["d1"]]), plan, tmp_path / "o")
    one, other = load_evaluated_model(runs["d1"]), load_evaluated_model(runs["d2"])
    configuration = replace(one.run.configuration, spacing=(2.0, 2.0, 2.0))
    run = replace(one.run, configuration=configuration)
    with pytest.raises(OptionError, match="d1 prepares images differently from d2"):
        command.verify_loaded_models([replace(one, model=run, run=run), other], plan, tmp_path / "o")


def test_propagation_and_sources_are_part_of_the_keys_of_networks_and_parts(runs, dataset, tmp_path):
    first, second = (variant_of(load_evaluated_model(runs["v"]), "x", way) for way in ("taylor", "exact"))
    assert _Key(first) != _Key(second)
    assert _Key(first) == _Key(variant_of(load_evaluated_model(runs["v"]), "x", "taylor"))
    case = find_cases(dataset)[0]
    suite = load_suite("quick")
    parts = [
        Task(first, case, Protocol(suite, 0, "cpu", sources), tmp_path).part.key
        for sources in ({}, {"s": load_evaluated_model(runs["d1"])}, {"s": load_evaluated_model(runs["d2"])})
    ]
    assert len(set(parts)) == 3, "a part made with other sources would be kept"


def test_temperature_of_an_ensemble_reaches_its_network(runs):
    plain = load_evaluated_ensemble("both", [runs["d1"], runs["d2"]])
    warm = replace(plain.model, options={"temperature": 2.0})
    assert warm.network().options.temperature == 2.0
    assert warm.description.family_options == {"members": 2, "temperature": 2.0}


@pytest.mark.parametrize("text", ["a", "a=b", "=b:exact", "a=:exact", "a=b:"])
def test_malformed_variant_is_refused(text):
    with pytest.raises(OptionError, match="write it like"):
        parse_variant(text)


def test_path_of_a_variant_may_have_a_colon():
    assert parse_variant("a=c:/runs/v:exact") == ("a", (Path("c:/runs/v"), "exact"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no model is given"),
        (["--ensemble", "e", "run"], "--ensemble e run: give a name and at least two"),
        (["--ensemble", "e", "a", "b", "--ensemble", "e", "a", "c"], "--ensemble e: is given twice"),
    ],
)
def test_mistake_in_the_command_is_named(words, said, tmp_path, capsys):
    assert main(["verify", "--data", "y", "-o", str(tmp_path / "o"), *words]) == 2
    assert said in capsys.readouterr().err


def test_group_of_runs_that_differ_in_more_than_their_seed_is_refused(runs, dataset, tmp_path, capsys):
    words = ["verify", *(str(runs[name]) for name in ("d1", "d2", "v")), "--data", str(dataset)]
    words += ["-o", str(tmp_path / "out"), "--suite", "quick", "--seeds", "group"]
    assert main([*words, "d1", "v"]) == 2
    assert f"seeds group: {runs['v']}: has another family than d1" in capsys.readouterr().err
    again = tmp_path / "runs" / "again"
    shutil.copytree(runs["d1"], again)
    words.insert(1, str(again))
    assert main([*words, "d1", "again"]) == 2
    assert "two of the runs have the same seed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
