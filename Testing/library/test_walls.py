"""Who may know whom (DESIGN): a wall that is broken once is never built up again."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from source_tree import ROOT, Import, files, imports
from walls import broken, circle, import_circle, imports_of, room, room_of, rooms, where

LIBRARY = "TrustSegLib"

# What each room of the library may import of the others. `contract`, `errors` and `version` know nothing and
# are known to all but the mathematics.
FOUNDATION = {"contract", "errors", "version"}
MAY_KNOW: dict[str, set[str]] = {
    "contract": set(),
    "errors": set(),
    "version": set(),
    "__init__": {"api", "layers", "moments", "networks", "imaging", "bundle", *FOUNDATION},
    "moments": set(),
    "layers": {"moments"},
    "networks": {"moments", "layers", *FOUNDATION},
    "imaging": {*FOUNDATION},
    "uncertainty": {"moments", "imaging", *FOUNDATION},
    "bundle": {"networks", "imaging", "uncertainty", *FOUNDATION},
    "inference": {"moments", "imaging", "uncertainty", "bundle", *FOUNDATION},
    "report": {"imaging", "uncertainty", "bundle", "inference", *FOUNDATION},
    "cases": {"imaging", "uncertainty", "bundle", "inference", "report", "dicom_output", *FOUNDATION},
    "commands": {
        *{"imaging", "uncertainty", "bundle", "inference", "report", "dicom_output", "cases"},
        *FOUNDATION,
    },
    "dicom_output": {"imaging", "uncertainty", "bundle", "inference", *FOUNDATION},
    "worker": {"imaging", "bundle", "inference", "report", "cases", *FOUNDATION},
    "api": {"moments", "networks", "imaging", "bundle", "inference", *FOUNDATION},
    "cli": {"cases", "commands", *FOUNDATION},
    "__main__": {"cli"},
}
APPLICATION = {"slicer", "vtk", "qt", "ctk", "sitkUtils", "mrml"}
PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def library_imports() -> list[tuple[Path, Import]]:
    return imports_of(LIBRARY)


def module_imports() -> list[tuple[Path, Import]]:
    return [(path, found) for path in files("TrustSeg", "*.py") for found in imports(path, ROOT / "TrustSeg")]


def test_every_room_of_the_library_has_its_walls():
    assert rooms(LIBRARY) <= set(MAY_KNOW), "say in MAY_KNOW what it may know"


def test_no_room_knows_more_than_it_may():
    found = broken(LIBRARY, MAY_KNOW)
    assert not found, "\n".join(found)


def test_the_walls_stand_without_a_circle():
    assert not circle(MAY_KNOW)


@pytest.mark.parametrize(
    ("package", "folder"), [(LIBRARY, "."), ("TrustSegModule", "TrustSeg"), ("trustseg_training", "Training")]
)
def test_no_file_imports_one_that_imports_it(package: str, folder: str):
    circle = import_circle(package, (ROOT / folder).resolve())
    assert not circle, " imports ".join(reversed(circle))


def test_uncertainty_knows_of_imaging_only_the_volume_and_its_resampling():
    broken = [
        where(path, found)
        for path, found in library_imports()
        if room_of(path, LIBRARY) == "uncertainty"
        and room(found.path) == "imaging"
        and found.path not in {"TrustSegLib.imaging.Volume", "TrustSegLib.imaging.resample"}
    ]
    assert not broken, "\n".join(broken)


def test_the_mathematics_knows_only_torch():
    known = {"torch", LIBRARY, *sys.stdlib_module_names}
    broken = [
        where(path, found)
        for path, found in library_imports()
        if room_of(path, LIBRARY) in {"moments", "layers", "networks"} and found.package not in known
    ]
    assert not broken, "\n".join(broken)


def test_uncertainty_reads_arrays_and_not_tensors():
    broken = [
        where(path, found)
        for path, found in library_imports()
        if room_of(path, LIBRARY) == "uncertainty" and found.package == "torch"
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", [LIBRARY, "Training"])
def test_nothing_outside_the_module_knows_the_application(folder: str):
    """The library and the training run where there is no Slicer."""
    broken = [
        where(path, found)
        for path in files(folder, "*.py")
        for found in imports(path, ROOT / folder if folder == "Training" else ROOT)
        if found.package in APPLICATION | {"TrustSeg", "TrustSegModule"}
    ]
    assert not broken, "\n".join(broken)


def test_contract_needs_only_the_standard_library():
    """Slicer's module reads it before any package of the library is installed."""
    broken = [
        where(path, found)
        for path, found in library_imports()
        if path.name == "contract.py" and found.package not in sys.stdlib_module_names
    ]
    assert not broken, "\n".join(broken)


def test_client_of_the_worker_never_knows_its_server():
    """The client side loads without PyTorch, in Slicer's own process."""
    broken = [
        where(path, found)
        for path, found in library_imports()
        if "client" in path.parts and found.path.startswith("TrustSegLib.worker.server")
    ]
    assert not broken, "\n".join(broken)


def test_neither_the_library_nor_the_module_knows_the_training():
    broken = [
        where(path, found)
        for path, found in library_imports() + module_imports()
        if found.package in {"trustseg_training", "Training", "Testing"}
    ]
    assert not broken, "\n".join(broken)


def test_the_module_imports_no_third_party_package_when_slicer_starts():
    """A file-level `import torch` makes Slicer's start fail until torch is there; the catalog refuses it."""
    shipped = {"slicer", "vtk", "qt", "ctk", "numpy", "SimpleITK"}
    known = {*shipped, "TrustSegModule", *sys.stdlib_module_names}
    broken = [
        where(path, found)
        for path, found in module_imports()
        if found.at_file_scope and found.package not in known and found.module != "TrustSegLib.contract"
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", [LIBRARY, "TrustSeg", "Training"])
def test_no_file_is_read_in_a_way_that_can_run_code(folder: str):
    """Models and volumes come from strangers: no pickle, by whatever door."""
    broken = []
    for path in files(folder, "*.py"):
        found = imports(path, ROOT)
        broken += [where(path, one) for one in found if one.package in PICKLING or one.path == "torch.load"]
        broken += [f"{path.relative_to(ROOT)}:{line} {what}" for line, what in unsafe_calls(path)]
    assert not broken, "\n".join(broken)


def test_the_library_loads_no_checkpoints_at_all():
    """A training may read its own checkpoints (tensors only); a bundle's weights are safetensors."""
    broken = [path for path in files(LIBRARY, "*.py") if "torch.load" in path.read_text(encoding="utf-8")]
    assert not broken


def unsafe_calls(path: Path) -> list[tuple[int, str]]:
    """Calls that may unpickle: `allow_pickle=True`, and `torch.load` without `weights_only=True`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if settings.get("allow_pickle", "False") != "False":
            found.append((node.lineno, "allow_pickle"))
        name = ast.unparse(node.func)
        if name in {"torch.load", "torch.jit.load"} and settings.get("weights_only") != "True":
            found.append((node.lineno, name))
    return found
