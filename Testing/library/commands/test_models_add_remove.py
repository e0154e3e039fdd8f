"""`trustseg models add` and `remove`: models are added and removed whole, or not at all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from TrustSegLib.bundle import load_bundle, registry
from TrustSegLib.cli import main
from TrustSegLib.commands import models
from TrustSegLib.errors import BundleError, OptionError, OutputError


def add(path: Path, overwrite: bool = False, as_json: bool = False) -> int:
    return models.add(argparse.Namespace(model=str(path), overwrite=overwrite, json=as_json))


def remove(name: str, as_json: bool = False) -> int:
    return models.remove(argparse.Namespace(model=name, json=as_json))


@pytest.fixture
def bundled(tmp_path, save_model, monkeypatch) -> Path:
    """A folder with one bundled model, `lone`."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    save_model(folder, "lone")
    monkeypatch.setattr(registry, "MODELS_FOLDER", folder)
    return folder


@pytest.fixture
def archive(model, tmp_path) -> Path:
    """The tiny model as a `.trustseg` file."""
    return Path(shutil.make_archive(str(tmp_path / "tiny"), "zip", model)).rename(tmp_path / "tiny.trustseg")


@pytest.fixture
def other(model, tmp_path) -> Path:
    """Another model of the same name."""
    folder = Path(shutil.copytree(model, tmp_path / "other"))
    described = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps({**described, "version": "0.2.0"}), "utf-8")
    return folder


@pytest.mark.parametrize("source", ["model", "archive"])
def test_added_model_is_found_by_its_name_and_segments(source, request, user_models, image, output, capsys):
    path = request.getfixturevalue(source)
    assert add(path) == 0
    sha256 = load_bundle(path).sha256
    assert f"added tiny 0.1.0, SHA-256 {sha256}: {user_models / 'tiny'}" in capsys.readouterr().out
    assert os.listdir(user_models) == ["tiny"]
    assert main(["segment", str(image), "-o", str(output), "--model", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["sha256"] == sha256


def test_list_marks_added_models(bundled, model, capsys):
    assert add(model, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["added"] is True
    assert main(["models", "list"]) == 0
    lone, tiny = capsys.readouterr().out.splitlines()
    assert (lone.endswith("Back"), tiny.endswith("(added)")) == (True, True)
    assert main(["models", "list", "--json"]) == 0
    assert [entry["added"] for entry in json.loads(capsys.readouterr().out)] == [False, True]
    assert main(["models", "verify", "tiny"]) == 0


def test_model_of_the_same_name_is_replaced_only_with_overwrite(model, other, user_models):
    assert add(model) == 0
    with pytest.raises(OptionError, match="--overwrite"):
        add(other)
    assert load_bundle(user_models / "tiny").sha256 == load_bundle(model).sha256
    assert add(other, overwrite=True) == 0
    assert load_bundle(user_models / "tiny").sha256 == load_bundle(other).sha256
    assert os.listdir(user_models) == ["tiny"]


@pytest.mark.parametrize("name", ["lone", "LONE"])
def test_name_of_a_bundled_model_is_refused(name, bundled, save_model, user_models, tmp_path):
    with pytest.raises(OptionError, match="comes with TrustSeg"):
        add(save_model(tmp_path, name), overwrite=True)
    assert not user_models.exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "more"])
def test_damaged_model_is_refused(damage, model, tmp_path, user_models):
    folder = Path(shutil.copytree(model, tmp_path / "damaged"))
    card = folder / "MODEL_CARD.md"
    card.unlink() if damage == "missing" else card.write_text("changed")
    if damage == "more":
        shutil.copy(model / "MODEL_CARD.md", card)
        (folder / "run.py").touch()
    with pytest.raises(BundleError):
        add(folder)
    assert not user_models.exists()


def test_path_that_is_not_a_model_is_refused(image, tmp_path, user_models):
    for path in (image, tmp_path / "missing.trustseg"):
        with pytest.raises(BundleError, match="choose"):
            add(path)
    assert not user_models.exists()


@pytest.mark.parametrize("fails", ["copyfile", "replace"])
@pytest.mark.parametrize("before", [False, True])
def test_full_disk_leaves_the_models_unchanged(fails, before, model, other, user_models, monkeypatch):
    if before:
        add(model)
    tool = shutil if fails == "copyfile" else os
    done, calls = getattr(tool, fails), []

    def full(source, target):
        calls.append(target)
        if len(calls) == 1 + before:  # With a model before: the second move, when that one is out of the way.
            raise OSError(28, "No space left on device")
        return done(source, target)

    monkeypatch.setattr(tool, fails, full)
    with pytest.raises(OutputError, match="the disk is full"):
        add(other, overwrite=True)
    assert user_models.exists() is before
    if before:
        assert os.listdir(user_models) == ["tiny"]
        assert load_bundle(user_models / "tiny").sha256 == load_bundle(model).sha256


def test_model_that_changes_while_it_is_copied_is_refused(model, user_models, monkeypatch):
    def copy(source, target):
        Path(target).write_bytes(Path(source).read_bytes() + b" ")

    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(BundleError, match="changed"):
        add(model)
    assert not user_models.exists()


def test_folder_of_the_user_is_kept(model, user_models):
    (user_models / "tiny").mkdir(parents=True)
    (user_models / "tiny" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not a model"):
        add(model, overwrite=True)
    with pytest.raises(OptionError, match="was added"):
        remove("tiny")
    assert (user_models / "tiny" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("as_json", [False, True])
def test_remove_reports_the_removed_model(as_json, model, user_models, capsys):
    add(model)
    capsys.readouterr()
    assert remove("tiny", as_json) == 0
    printed = capsys.readouterr().out
    expected = {"name": "tiny", "path": str(user_models / "tiny"), "removed": True}
    if as_json:
        assert json.loads(printed) == expected
    else:
        assert printed == f"removed tiny: {user_models / 'tiny'}\n"
    assert os.listdir(user_models) == []


def test_damaged_model_can_be_removed(model, user_models):
    add(model)
    (user_models / "tiny" / "model.json").write_text("{")
    assert main(["models", "list"]) == 2
    assert remove("tiny") == 0


@pytest.mark.parametrize("name", ["lone", "missing", "..", "../models/tiny", "."])
def test_only_an_added_model_is_removed(name, bundled, model, user_models):
    add(model)
    words = "comes with TrustSeg" if name == "lone" else "added are: tiny"
    with pytest.raises(OptionError, match=words):
        remove(name)
    assert os.listdir(user_models) == ["tiny"]
    assert os.listdir(bundled) == ["lone"]


def test_model_that_cannot_be_moved_stays_whole(model, user_models, monkeypatch):
    add(model)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        remove("tiny")
    assert load_bundle(user_models / "tiny").sha256 == load_bundle(model).sha256


def test_user_without_a_home_folder_still_has_the_bundled_models(bundled, model, monkeypatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("TRUSTSEG_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registry.Path, "home", no_home)
    assert main(["models", "list"]) == 0
    with pytest.raises(OptionError, match="set TRUSTSEG_MODELS"):
        add(model)


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.local/share"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "home/.local/share"),
        ("linux", {"XDG_DATA_HOME": "{}/data"}, "data"),
        ("darwin", {}, "home/Library/Application Support"),
        ("win32", {"LOCALAPPDATA": "{}/local"}, "local"),
    ],
)
def test_folder_is_where_the_system_keeps_data_of_programs(
    platform, variables, folder, tmp_path, monkeypatch
):
    for name in ("TRUSTSEG_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(registry.Path, "home", lambda: tmp_path / "home")
    assert registry.user_models_folder() == tmp_path / folder / "trustseg" / "models"
