"""Installed packages are found without importing any; a half-installed torch is recognized."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from package_installers import SMALL, TORCH, put_files, put_package, put_record, remove
from source_tree import ROOT

NOT_IN_SLICER = {"tqdm"}
FOR_BATCHES = {"matplotlib", "nibabel"}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A site-packages with all but torch."""
    for name in SMALL:
        put_package(tmp_path, name)
    return tmp_path


@pytest.fixture
def torch(packages: Path) -> Path:
    """The same with torch."""
    put_package(packages, "torch", "2.13.0+cpu")
    return packages


def look(folder: Path):
    from TrustSegModule.app.installed_packages import check

    return check([str(folder)])


def test_this_python_has_all():
    from TrustSegModule.app.installed_packages import check

    assert check().ready, check()


def test_a_whole_torch_is_ready_and_not_imported(torch: Path):
    assert look(torch).ready


def test_no_torch_is_missing(packages: Path):
    assert (look(packages).torch, look(packages).missing) == ("missing", ())
    (packages / "torch" / "lib").mkdir(parents=True)
    assert look(packages).torch == "missing", "an uninstall leaves empty folders behind"


def test_an_old_torch_is_missing(packages: Path):
    put_record(packages, "torch", "2.3.1+cu121")
    put_files(packages, *TORCH)
    assert look(packages).torch == "missing"


@pytest.mark.parametrize("gone", TORCH)
def test_a_torch_without_one_of_its_parts_is_broken(torch: Path, gone: str):
    (torch / gone).unlink()
    if gone.startswith("torch/lib"):
        (torch / "torch/lib").rmdir()
    assert look(torch).torch == "broken"


def test_a_torch_of_which_only_the_record_is_there_is_broken(packages: Path):
    put_record(packages, "torch", "2.13.0")
    assert look(packages).torch == "broken"


def test_a_torch_without_a_record_is_broken(packages: Path):
    put_files(packages, *TORCH)
    assert look(packages).torch == "broken"
    (packages / "torch-2.13.0.dist-info").mkdir()
    assert look(packages).torch == "broken"


def test_a_torch_without_the_list_of_its_files_is_broken(packages: Path):
    """pip writes it last; without it the PyTorch extension fails with a TypeError."""
    (put_record(packages, "torch", "2.13.0") / "RECORD").unlink()
    put_files(packages, *TORCH)
    assert look(packages).torch == "broken"


def test_old_missing_and_half_deleted_packages_are_named(torch: Path):
    shutil.rmtree(torch / "safetensors")
    remove(torch, "scipy")
    put_package(torch, "scipy", "1.10.1")
    assert look(torch).missing == ("safetensors>=0.4.3", "scipy>=1.12")


def test_a_package_that_slicer_is_built_with_needs_no_record(torch: Path):
    shutil.rmtree(torch / "SimpleITK-99.0.dist-info")
    assert look(torch).ready


def test_looking_imports_nothing():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from TrustSegModule.app.installed_packages import check; check()\n"
        "print(sorted({'torch', 'scipy', 'safetensors', 'SimpleITK', 'numpy'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code, ROOT / "TrustSeg"], capture_output=True, text=True)
    assert said.stdout.strip() == "[]", said.stderr


def test_the_list_for_slicer_is_that_of_the_library():
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    from TrustSegModule.app.installed_packages import requirements

    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    needed = [each for each in stated if re.match(r"[\w-]+", each)[0] not in NOT_IN_SLICER]
    assert [str(each) for each in requirements()] == needed


def test_segmenting_needs_none_of_the_packages_that_slicer_does_not_get(tmp_path: Path):
    """The worker runs in Slicer's Python: a forgotten import of nibabel there would stop every click."""
    from TrustSegLib.worker import SegmentRequest, Worker

    for name in NOT_IN_SLICER | FOR_BATCHES:
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})")
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    rng = np.random.default_rng(0)
    request = SegmentRequest(
        array=rng.normal(100, 20, (1, 24, 32, 24)).astype(np.float32),
        spacing=(1.0, 1.0, 1.0),
        origin=(0.0, 0.0, 0.0),
        direction=tuple(np.eye(3).ravel()),
        model=ROOT / "TrustSegLib" / "models" / "hippocampus-t1",
        device="cpu",
    )
    with Worker(environment={**os.environ, "PYTHONPATH": path}) as worker:
        assert worker.run(request).labels.shape == (24, 32, 24)
