"""The models that the panel offers: those of the library, and those that a user has added."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer")
from source_tree import ROOT

BUNDLED = ROOT / "TrustSegLib" / "models" / "hippocampus-t1"


@pytest.fixture
def folder(application, user_models) -> Path:
    """Folder of the added models, not there yet."""
    return user_models


def add(folder: Path, name: str, version: str = "1.0.0") -> Path:
    """Add a model by hand: the bundled one under another name."""
    shutil.copytree(BUNDLED, folder / name)
    description = json.loads((BUNDLED / "model.json").read_text("utf-8"))
    content = json.dumps({**description, "name": name, "version": version})
    (folder / name / "model.json").write_text(content, "utf-8")
    return folder / name


def test_added_model_is_listed_after_the_bundled_ones(folder):
    from TrustSegModule.app.models import find_model, installed_models

    path = add(folder, "my-model")
    assert [model.name for model in installed_models()] == ["hippocampus-t1", "my-model"]
    assert find_model("my-model").path == path


def test_bundled_model_wins_over_an_added_namesake(folder):
    from TrustSegModule.app.models import find_model

    add(folder, "hippocampus-t1", version="99.0")
    assert find_model("hippocampus-t1").path == BUNDLED


def test_damaged_added_model_is_skipped_and_logged(folder, caplog):
    from TrustSegModule.app.models import installed_models

    add(folder, "good")
    (add(folder, "bad") / "model.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [model.name for model in installed_models()] == ["hippocampus-t1", "good"]
    assert "bad" in caplog.text


def test_panel_offers_an_added_model(folder, image, shared_worker):
    from panel_runs import PANEL
    from qt_stand_ins.panel import open_panel

    add(folder, "my-model")
    with open_panel(PANEL) as panel:
        selector = panel.ui.modelSelector
        titles = [selector.itemText(index) for index in range(selector.count)]
        assert titles == ["Auto (the one that fits the image)", "hippocampus-t1", "my-model"]
        selector.setCurrentIndex(2)
        assert panel.widget.runPanel.task.model.path == folder / "my-model"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize(
    "variables",
    [
        {"TRUSTSEG_MODELS": "relative"},
        {"XDG_DATA_HOME": "data", "LOCALAPPDATA": "local"},
        {"XDG_DATA_HOME": os.path.abspath("data"), "LOCALAPPDATA": os.path.abspath("local")},
        {},
    ],
)
def test_added_models_folder_equals_that_of_the_command_line(platform, variables, monkeypatch, tmp_path):
    from TrustSegLib.bundle.registry import user_models_folder
    from TrustSegLib.contract import added_models_folder

    for name in ("TRUSTSEG_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert added_models_folder() == user_models_folder()
