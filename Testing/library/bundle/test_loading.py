"""A bundle that was changed, is incomplete or does not fit together is refused."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from TrustSegLib.bundle import load_bundle, verify_bundle
from TrustSegLib.errors import BundleError

Edit = Callable[[Callable[[dict[str, Any]], object]], None]
LISTED = ["MODEL_CARD.md", "calibration.json", "metrics.json", "weights.safetensors"]


def refused(path: Path, message: str, action: Callable[[Path], object] = load_bundle) -> None:
    """Expect one line that names the bundle, then says what is wrong."""
    with pytest.raises(BundleError, match=message) as caught:
        action(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def load_network(path: Path) -> torch.nn.Module:
    """Load a bundle and its network."""
    return load_bundle(path).network()


def test_loaded_bundle_has_what_was_saved(folder: Path, calibration: dict[str, Any]) -> None:
    bundle = load_bundle(folder)
    assert bundle.description.name == "hippocampus-t1"
    assert bundle.path == bundle.source == folder
    assert bundle.sha256 == hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
    assert bundle.card().startswith("# Hippocampus\n\nEntworfen für")
    assert bundle.calibration() == calibration
    assert bundle.metrics() == {"dsc": [0.88]}


def test_relative_path_is_valid_after_a_change_of_directory(
    folder: Path, calibration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    bundle = load_bundle(folder.name)
    monkeypatch.chdir("/")
    assert bundle.calibration() == calibration


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_bit_in_a_file_is_refused(name: str, place: int, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, f"{name} was changed or damaged .*; get it again")


def test_every_changed_byte_of_model_json_is_refused_or_is_another_sha256(folder: Path) -> None:
    path = folder / "model.json"
    original, sha256 = path.read_bytes(), load_bundle(folder).sha256
    for place in range(0, len(original), 7):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        with suppress(BundleError):
            assert load_bundle(folder).sha256 != sha256


@pytest.mark.parametrize("name", LISTED)
def test_missing_file_is_refused_by_name(name: str, folder: Path) -> None:
    (folder / name).unlink()
    refused(folder, f"{name} is missing; get the model again")


def test_unlisted_file_is_refused_by_name(folder: Path) -> None:
    (folder / "notes.txt").write_text("")
    refused(folder, r"'notes.txt' is not listed in model.json; remove it")


def test_folder_inside_is_refused(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    refused(folder, "'__pycache__' is not listed")


def test_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    (folder / "metrics.json").mkdir()
    refused(folder, "metrics.json is not a plain file")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_link_in_place_of_a_file_is_refused(name: str, folder: Path) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    refused(folder, f"{name} is not a plain file")


def test_folder_without_model_json_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "holds no model.json; choose a model bundle")


@pytest.mark.parametrize("name", ["nothing", "nothing.trustseg", "image.nii.gz"])
def test_path_that_is_no_bundle_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "image.nii.gz").write_text("")
    refused(tmp_path / name, "is neither a bundle folder nor a .trustseg file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "model.json: is not valid JSON"),
        (b'{"schema": "trustseg-model/1",', "model.json: is not valid JSON"),
        (b"\xff\xfe", "model.json: is not valid JSON"),
        (b'{"schema": NaN}', "model.json: is not valid JSON .*NaN is not a JSON number"),
        (b"[" * 100_000, "model.json: is not valid JSON"),
        (b"1" * 10_000, "model.json: is not valid JSON|schema is"),
        (b"[]", "model.json: schema is None"),
        (b" " * (2**20 + 1), "model.json has over 1048576 bytes"),
    ],
)
def test_model_json_that_cannot_be_read_is_one_line(content: bytes, message: str, folder: Path) -> None:
    (folder / "model.json").write_bytes(content)
    refused(folder, message)


def test_read_error_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("TrustSegLib.bundle.loading.sha256_of", fail)
    refused(folder, r"cannot be read \(Input/output error\)")


def test_network_has_the_saved_weights_in_evaluation_mode(folder: Path, weights: dict[str, Tensor]) -> None:
    network = load_network(folder)
    state = network.state_dict()
    assert not any(module.training for module in network.modules())
    assert state.keys() == weights.keys()
    assert all(torch.equal(state[name], value) for name, value in weights.items())
    moments = network.class_moments(torch.zeros(1, 1, 4, 4, 4))
    assert moments.mean.shape == (1, 3, 4, 4, 4)


@pytest.mark.parametrize(("family", "propagation"), [("vdp", "taylor"), ("deterministic", "exact")])
def test_network_is_of_the_family_and_propagation_described(
    family: str, propagation: str, folder: Path, edit_model: Edit, weights: dict[str, Tensor]
) -> None:
    if family == "deterministic":
        plain = {name: value for name, value in weights.items() if not name.endswith(".rho")}
        save_file(plain, folder / "weights.safetensors")
    edit_model(lambda content: content.update(family=family, propagation=propagation))
    network = load_network(folder)
    assert network.family == family
    assert getattr(network, "propagation", "exact") == propagation


def test_loading_a_network_keeps_the_state_of_the_random_numbers(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_network(folder)
    assert torch.equal(torch.rand(2), expected)


def test_weights_changed_after_loading_are_refused(folder: Path) -> None:
    bundle = load_bundle(folder)
    state = {name: value + 1 for name, value in load_file(folder / "weights.safetensors").items()}
    save_file(state, folder / "weights.safetensors")
    with pytest.raises(BundleError, match=r"weights.safetensors was changed"):
        bundle.network()


def test_file_removed_after_loading_is_one_line(folder: Path) -> None:
    bundle = load_bundle(folder)
    (folder / "MODEL_CARD.md").unlink()
    with pytest.raises(BundleError, match=r"MODEL_CARD.md cannot be read \(No such file"):
        bundle.card()


def test_reading_an_unlisted_file_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"has no file \.\./secret"):
        load_bundle(folder).read("../secret")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["network"].update(depth=5), "model.json: .*unknown key 'depth'"),
        (lambda content: content["network"].pop("classes"), "model.json: .*classes is missing"),
        (lambda content: content["network"].update(activation="sine"), "model.json: .*'sine'"),
        (lambda content: content["channels"].append("T2"), "network.in_channels is 1; choose 2"),
        (lambda content: content["structures"].pop(), r"network.classes is 3; choose 2, structures \+ 1"),
        (
            lambda content: content["input"].update(patch_size=[32, 33, 24]),
            r"is \[32, 33, 24\]; choose .* 2$",
        ),
        (lambda content: content["network"].update(filters=[4, 16]), r"'.*' has the shape \(.*\), not \("),
        (lambda content: content["network"].update(convolutions=2), "'.*' is missing for the network"),
        (lambda content: content["network"].update(filters=[4]), "'.*' does not belong to the network"),
        (lambda content: content.update(family="deterministic"), "'.*rho' does not belong to the network"),
    ],
)
def test_description_that_the_weights_do_not_fit_is_refused(
    change: Callable[[dict[str, Any]], object], message: str, folder: Path, edit_model: Edit
) -> None:
    edit_model(change)
    refused(folder, message, load_network)
    refused(folder, message, verify_bundle)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, folder: Path, edit_model: Edit) -> None:
    state = load_file(folder / "weights.safetensors")
    next(iter(state.values())).view(-1)[0] = value
    save_file(state, folder / "weights.safetensors")
    edit_model(lambda content: None)
    refused(folder, "weights.safetensors: '.*' holds NaN or infinity", load_network)


class Bomb:
    """What makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_pickled_weights_are_refused_without_unpickling(
    folder: Path, edit_model: Edit, tmp_path: Path
) -> None:
    mark = tmp_path / "unpickled"
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb(mark)))
    edit_model(lambda content: None)
    refused(folder, "weights.safetensors is not a safetensors file", load_network)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x08" + bytes(7) + b"{}      "])
def test_weights_that_are_empty_or_no_safetensors_file_are_refused(
    content: bytes, folder: Path, edit_model: Edit
) -> None:
    (folder / "weights.safetensors").write_bytes(content)
    edit_model(lambda content: None)
    refused(folder, "weights.safetensors(:| is not)", load_network)


@pytest.mark.parametrize("name", ["metrics.json", "MODEL_CARD.md"])
def test_verification_reads_files_that_loading_skips(name: str, folder: Path, edit_model: Edit) -> None:
    (folder / name).write_bytes(b"\xff")
    edit_model(lambda content: None)
    load_bundle(folder)
    refused(folder, f"{name}:? is not", verify_bundle)


def test_whole_bundle_passes_verification(folder: Path) -> None:
    assert verify_bundle(folder) == load_bundle(folder)


def test_archive_gives_the_same_model(archive: Path, folder: Path, calibration: dict[str, Any]) -> None:
    bundle = load_bundle(archive)
    assert bundle.sha256 == load_bundle(folder).sha256
    assert bundle.source == archive
    assert bundle.calibration() == calibration
    assert not bundle.network().training


def test_unpacked_archive_is_private_and_removed_with_its_bundle(archive: Path) -> None:
    bundle = load_bundle(archive)
    path = bundle.path
    assert path.is_dir()
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0
    del bundle
    gc.collect()
    assert not path.exists()


def test_refused_archive_leaves_no_temporary_folder(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    archive.write_bytes(archive.read_bytes()[:-40])
    refused(archive, "is not a whole zip archive")
    assert not any(temporary.iterdir())


def test_models_can_be_listed_without_loading_pytorch(folder: Path) -> None:
    code = (
        "import sys; from TrustSegLib.bundle import load_bundle; "
        f"load_bundle({str(folder)!r}); print('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert output.strip() == "False"
