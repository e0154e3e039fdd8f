"""A small valid bundle, which tests damage in their own ways."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hand_made_bundles import expected_dsc, model_content, record, structure, volume_interval
from torch import Tensor

from TrustSegLib.bundle import ModelDescription, save_bundle
from TrustSegLib.networks import NetworkSpec, build

SPEC = NetworkSpec(classes=3, filters=(4, 8), convolutions=1)
CONTENT = model_content(
    SPEC,
    (32, 40, 24),
    name="hippocampus-t1",
    version="1.0.0",
    description="Anterior and posterior hippocampus on T1-weighted MR.",
    structures=[
        structure(1, "Anterior hippocampus", 230, 159, 0, modifier=("255549009", "Anterior")),
        structure(2, "Posterior hippocampus", 86, 180, 233),
    ],
    training={
        "data": "Medical Segmentation Decathlon, Task04",
        "data_license": "CC-BY-SA 4.0",
        "patients": {"train": 160, "validation": 40},
        "command": "trustseg-train fit hippocampus.yaml",
        "seed": 1,
    },
    license="CC-BY-SA 4.0",
)
CALIBRATION = {
    "schema": "trustseg-calibration/1",
    "record": record(),
    "error_probability": {
        "raw": [0.0, 0.25, 0.5],
        "calibrated": [0.01, 0.2, 0.6],
        "ece_before": 0.05,
        "ece_after": 0.02,
    },
    "volumes": [volume_interval()],
    "quality": [expected_dsc()],
    "input": {"cases": 160, "facts": {"spacing_x": {"low": 0.9, "high": 1.1, "unit": "mm"}}},
}
CARD = "# Hippocampus\n\nEntworfen für Tests: µ, σ².\n"


@pytest.fixture
def content() -> dict[str, Any]:
    """Content of a valid `model.json`, free to be changed."""
    return copy.deepcopy(CONTENT)


@pytest.fixture
def calibration() -> dict[str, Any]:
    """Content of a valid `calibration.json`, free to be changed."""
    return copy.deepcopy(CALIBRATION)


@pytest.fixture
def description(content: dict[str, Any]) -> ModelDescription:
    """A valid description."""
    return ModelDescription.from_dict(content)


@pytest.fixture(scope="session")
def trained() -> dict[str, Tensor]:
    """State dict of a network of the description, other than any that is newly built."""
    state = build(SPEC).state_dict()
    generator = torch.Generator().manual_seed(7)
    return {name: torch.rand(value.shape, generator=generator) for name, value in state.items()}


@pytest.fixture
def weights(trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that fit the description, free to be changed."""
    return {name: value.clone() for name, value in trained.items()}


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, trained: dict[str, Tensor]) -> Path:
    """A valid bundle with every optional file."""
    folder = tmp_path_factory.mktemp("original") / "hippocampus"
    description = ModelDescription.from_dict(CONTENT)
    save_bundle(folder, description, trained, CARD, calibration=CALIBRATION, metrics={"dsc": [0.88]})
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of the valid bundle, free to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "hippocampus"))


@pytest.fixture
def edit_model(folder: Path) -> Callable[[Callable[[dict[str, Any]], object]], None]:
    """Change `model.json` by a function; the SHA-256 of the files are then brought up to date."""

    def edit(change: Callable[[dict[str, Any]], object]) -> None:
        path = folder / "model.json"
        content = json.loads(path.read_text("utf-8"))
        change(content)
        for name in content["files"]:
            content["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        path.write_text(json.dumps(content), "utf-8")

    return edit


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    """The valid bundle as a `.trustseg` file."""
    path = tmp_path / "hippocampus.trustseg"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for file in sorted(folder.iterdir()):
            target.write(file, file.name)
    return path
