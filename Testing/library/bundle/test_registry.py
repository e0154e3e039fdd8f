"""Models are found by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from TrustSegLib.bundle import bundled_models, find_bundle, registry
from TrustSegLib.errors import BundleError


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two bundled models, and things that are none."""
    folder = tmp_path / "models"
    for name in ("lung-ct", "hippocampus-t1"):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.json").write_text("{}")
    (folder / "__pycache__").mkdir()
    (folder / "README.md").write_text("")
    monkeypatch.setattr(registry, "MODELS_FOLDER", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_bundled_models_are_sorted_folders_with_a_model_json(models: Path) -> None:
    assert bundled_models() == [models / "hippocampus-t1", models / "lung-ct"]


def test_missing_models_folder_gives_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MODELS_FOLDER", tmp_path / "nothing")
    assert bundled_models() == []


def test_models_folder_is_in_the_library() -> None:
    assert registry.MODELS_FOLDER.parts[-2:] == ("TrustSegLib", "models")


def test_bundled_name_takes_precedence_over_a_local_folder(models: Path) -> None:
    Path("lung-ct").mkdir()
    assert find_bundle("lung-ct") == models / "lung-ct"
    assert find_bundle("./lung-ct") == Path("lung-ct")


@pytest.mark.parametrize("kind", [str, Path])
def test_path_is_found(kind: type, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.trustseg"
    path.write_text("")
    assert find_bundle(kind(path)) == path


def test_unknown_name_lists_the_known_ones(models: Path) -> None:
    with pytest.raises(BundleError, match=r"^brain: .*models are: hippocampus-t1, lung-ct$"):
        find_bundle("brain")


def test_unknown_name_without_bundled_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MODELS_FOLDER", tmp_path)
    with pytest.raises(BundleError, match="models are: none"):
        find_bundle("brain")


def test_name_outside_of_the_models_folder_is_refused(models: Path) -> None:
    with pytest.raises(BundleError, match="neither"):
        find_bundle("models/../../nothing")
