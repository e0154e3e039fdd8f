"""A bundle is written completely, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from TrustSegLib.bundle import ModelDescription, load_bundle, save_bundle, saving
from TrustSegLib.errors import BundleError

CARD = "# Card\n"


def test_saved_bundle_holds_exactly_its_files_and_their_hashes(folder: Path) -> None:
    listed = json.loads((folder / "model.json").read_text("utf-8"))["files"]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    found.pop("model.json")
    assert listed == found
    assert sorted(listed) == ["MODEL_CARD.md", "calibration.json", "metrics.json", "weights.safetensors"]


def test_optional_files_are_left_out(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    bundle = save_bundle(tmp_path / "model", description, weights, CARD)
    assert (bundle.calibration(), bundle.metrics()) == (None, None)
    assert sorted(bundle.description.files) == ["MODEL_CARD.md", "weights.safetensors"]


def test_returned_bundle_equals_the_loaded_one(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    assert save_bundle(tmp_path / "model", description, weights, CARD) == load_bundle(tmp_path / "model")


def test_stale_hashes_of_the_description_are_replaced(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    stale = replace(description, files={"figure.png": "0" * 64})
    assert "figure.png" not in save_bundle(tmp_path / "model", stale, weights, CARD).description.files


def test_parent_folders_are_created(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    assert save_bundle(tmp_path / "a" / "b", description, weights, CARD).card() == CARD


def test_existing_folder_is_kept_unchanged(
    folder: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    before = load_bundle(folder)
    with pytest.raises(BundleError, match="hippocampus: exists already; remove it"):
        save_bundle(folder, description, weights, "other card")
    assert load_bundle(folder) == before


def test_existing_empty_folder_is_refused(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(BundleError, match="exists already"):
        save_bundle(tmp_path / "model", description, weights, CARD)
    assert not any((tmp_path / "model").iterdir())


def test_weights_that_do_not_fit_leave_nothing(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    weights.popitem()
    with pytest.raises(BundleError, match=r"model: weights.safetensors: .* is missing"):
        save_bundle(tmp_path / "model", description, weights, CARD)
    assert not any(tmp_path.iterdir())


def test_wrong_description_leaves_nothing_and_names_the_wanted_folder(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    with pytest.raises(BundleError, match=r"model: model.json: version: '1' does not match"):
        save_bundle(tmp_path / "model", replace(description, version="1"), weights, CARD)
    assert not any(tmp_path.iterdir())


def test_nan_leaves_nothing(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    with pytest.raises(BundleError, match=r"model: metrics.json would hold NaN"):
        save_bundle(tmp_path / "model", description, weights, CARD, metrics={"hd95": float("nan")})
    assert not any(tmp_path.iterdir())


def test_full_disk_leaves_nothing(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(weights: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write_weights", fail)
    with pytest.raises(BundleError, match=r"model: cannot be written \(No space left on device\)"):
        save_bundle(tmp_path / "model", description, weights, CARD)
    assert not any(tmp_path.iterdir())


def test_interrupt_leaves_nothing(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "load_bundle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(tmp_path / "model", description, weights, CARD)
    assert not any(tmp_path.iterdir())


def test_file_in_place_of_a_parent_folder_is_one_line(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        save_bundle(tmp_path / "file" / "model", description, weights, CARD)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_bundle_has_the_permissions_of_new_folders(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    (tmp_path / "ordinary").mkdir()
    save_bundle(tmp_path / "model", description, weights, CARD)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "model")]
    assert modes[0] == modes[1]


def test_text_is_the_same_bytes_on_every_system(folder: Path) -> None:
    card = (folder / "MODEL_CARD.md").read_bytes()
    assert card == "# Hippocampus\n\nEntworfen für Tests: µ, σ².\n".encode()
    assert b"\r" not in (folder / "model.json").read_bytes()


def test_views_and_tied_tensors_are_stored_with_their_own_values(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    names = [name for name, value in weights.items() if value.shape == (8,)]
    column = torch.arange(16.0).reshape(8, 2)[:, 1]
    weights[names[0]] = weights[names[1]] = column
    state = save_bundle(tmp_path / "model", description, weights, CARD).network().state_dict()
    assert [state[name].tolist() for name in names[:2]] == [column.tolist()] * 2


def test_parameters_that_require_gradients_can_be_stored(
    tmp_path: Path, description: ModelDescription, weights: dict[str, Tensor]
) -> None:
    parameters = {name: torch.nn.Parameter(value) for name, value in weights.items()}
    state = save_bundle(tmp_path / "model", description, parameters, CARD).network().state_dict()
    assert all(torch.equal(state[name], value) for name, value in weights.items())
