"""`trustseg models list`, `show` and `verify`: the models and whether they are unchanged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from TrustSegLib.bundle import load_bundle, registry
from TrustSegLib.cli import main


@pytest.fixture
def bundled(tmp_path, save_model, monkeypatch) -> Path:
    """A folder of bundled models: one whole, one damaged."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    save_model(folder, "good")
    save_model(folder, "damaged")
    (folder / "damaged" / "MODEL_CARD.md").write_text("changed")
    monkeypatch.setattr(registry, "MODELS_FOLDER", folder)
    return folder


def test_list_names_every_model_and_marks_a_damaged_one(bundled, capsys):
    assert main(["models", "list"]) == 2
    damaged, good = capsys.readouterr().out.splitlines()
    assert good.split() == ["good", "0.1.0", "MR", "Front,", "Back"]
    assert damaged.startswith("damaged  DAMAGED: ")


def test_list_is_printed_as_json(bundled, capsys):
    assert main(["models", "list", "--json"]) == 2
    damaged, good = json.loads(capsys.readouterr().out)
    assert "SHA-256" in damaged["error"]
    assert good["structures"] == ["Front", "Back"]
    assert good["sha256"] == load_bundle(bundled / "good").sha256


def test_list_of_good_models_succeeds(bundled, capsys):
    shutil.rmtree(bundled / "damaged")
    assert main(["models", "list"]) == 0


def test_empty_list_prints_a_hint(bundled, capsys):
    shutil.rmtree(bundled / "damaged")
    shutil.rmtree(bundled / "good")
    assert main(["models", "list"]) == 0
    assert "no model" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("name", ["good", None])
def test_show_takes_a_name_or_a_path(name, bundled, model, capsys):
    assert main(["models", "show", name or str(model)]) == 0
    printed = capsys.readouterr().out
    for words in (name or "tiny", "Front", "1 x 1 x 1 mm, RAS", "16 x 16 x 16", "license:", "1 train"):
        assert words in printed


def test_show_prints_the_whole_model_json(model, capsys):
    assert main(["models", "show", str(model), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert json.loads((model / "model.json").read_text("utf-8")).items() <= shown.items()
    assert shown["sha256"] == load_bundle(model).sha256


def test_verify_reports_an_unchanged_model(model, capsys):
    assert main(["models", "verify", str(model)]) == 0
    assert "tiny 0.1.0: unchanged, 3 files" in capsys.readouterr().out
    assert main(["models", "verify", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_verify_fails_for_a_changed_model(options, bundled, capsys):
    assert main(["models", "verify", "damaged", *options]) == 2
    printed = capsys.readouterr()
    assert "MODEL_CARD.md was changed" in printed.err
    assert bool(options) is ("MODEL_CARD.md" in printed.out)


def test_verify_loads_the_weights(model, tmp_path, capsys):
    """Hashes that fit do not mean that the weights fit the network."""
    folder = Path(shutil.copytree(model, tmp_path / "tiny"))
    description = json.loads((folder / "model.json").read_text("utf-8"))
    description["network"]["filters"] = [4, 16]
    (folder / "model.json").write_text(json.dumps(description), "utf-8")
    assert main(["models", "show", str(folder)]) == 0
    assert main(["models", "verify", str(folder)]) == 2
