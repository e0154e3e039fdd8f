"""The model that stays loaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from source_tree import ROOT

from TrustSegLib.bundle import load_bundle
from TrustSegLib.errors import BundleError
from TrustSegLib.worker.server import loaded_model
from TrustSegLib.worker.server.loaded_model import WarmModel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "TrustSegLib" / "models" / "hippocampus-t1", tmp_path / "model"))


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths that were read and verified."""
    paths = []
    monkeypatch.setattr(loaded_model, "load_bundle", lambda path: paths.append(path) or load_bundle(path))
    return paths


def test_unchanged_files_are_not_read_again(folder, verified):
    warm = WarmModel()
    first, fresh = warm.get(str(folder))
    assert fresh
    assert warm.get(str(folder)) == (first, False)
    assert warm.get(str(folder))[0].network() is first.network()
    assert verified == [folder]


def test_copied_model_is_verified_but_not_loaded_again(folder, verified):
    warm = WarmModel()
    first, _ = warm.get("hippocampus-t1")
    second, fresh = warm.get(str(folder))
    assert (second, fresh) == (first, False)
    assert verified[-1] == folder


def test_changed_file_is_detected(folder):
    warm = WarmModel()
    warm.get(str(folder))
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, (1, 1))
    with pytest.raises(BundleError, match="changed or damaged"):
        warm.get(str(folder))
