"""The extension as Slicer gets it: built with real CMake, installed, opened from both places."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from extension_build import MODULES, configure, open_module, run_bare, run_cmake
from source_tree import ROOT

needs_slicer = pytest.mark.usefixtures("slicer_application")


@pytest.fixture(scope="module")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("build")
    done = configure(ROOT, build)
    assert done.returncode == 0, done.stdout + done.stderr
    return build


@pytest.fixture(scope="module")
def installed(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("Slicer installé")
    done = run_cmake("--install", build_folder, "--prefix", prefix)
    assert done.returncode == 0, done.stdout + done.stderr
    return prefix / MODULES


@pytest.fixture
def extension_copy(tmp_path: Path) -> Path:
    """The files cmake reads, to be changed by a test."""
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("TrustSeg", "TrustSegLib"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    return tmp_path


# What is installed


def test_the_library_is_installed_beside_the_module(installed: Path):
    for file in ("TrustSeg.py", "TrustSegModule/__init__.py", "Resources/UI/TrustSeg.ui"):
        assert (installed / file).is_file(), file
    assert (installed / "Resources/Icons/TrustSeg.png").read_bytes().startswith(b"\x89PNG")
    assert (installed / "Resources/requirements.txt").is_file()
    assert (installed / "TrustSegLib/__init__.py").is_file()
    assert (installed / "TrustSegLib/bundle/model.schema.json").is_file()


def test_nothing_is_installed_that_collides_with_another_extension(installed: Path):
    """The folder is shared by all modules: a package called `Testing` or `Training` would hide another's."""
    expected = {"TrustSeg.py", "TrustSegModule", "TrustSegLib", "Resources"}
    assert {path.name for path in installed.iterdir()} == expected


def test_the_catalog_gets_each_field_as_one_text(build_folder: Path):
    description = (build_folder / "TrustSeg.description").read_text()
    fields = dict(line.split(" ", 1) for line in description.splitlines())
    assert fields["DEPENDS"] == "PyTorch"
    assert fields["CATEGORY"] == "Segmentation"
    homepage = fields["HOMEPAGE"]
    assert homepage.rpartition("/")[2] == "SlicerTrustSeg"
    icon = fields["ICONURL"].partition("/main/")[2]
    assert (ROOT / icon).is_file(), "the icon's address names no file of the repository"


# It opens


def test_the_installed_library_imports_without_the_repository_and_without_torch(installed: Path):
    code = "import sys; sys.path.append(sys.argv[1]); import TrustSegLib.errors as e; print(e.__file__)"
    assert run_bare(code, installed).strip() == str(installed / "TrustSegLib" / "errors.py")


@needs_slicer
def test_the_installed_module_opens_with_the_library_beside_it(installed: Path):
    said = open_module(installed / "TrustSeg.py")
    assert "title: TrustSeg\ncategories: ['Segmentation']\nhelp: True\n" in said
    assert f"library: {installed / 'TrustSegLib'}\n" in said
    assert f"added: ['{installed}']\n" in said, "an installed module must not reach for a checkout"
    assert said.endswith("tested\n")


@needs_slicer
def test_the_module_opens_from_a_checkout_with_the_library_above_it():
    said = open_module(ROOT / "TrustSeg" / "TrustSeg.py")
    assert f"library: {ROOT / 'TrustSegLib'}\n" in said
    added = f"added: ['{ROOT / 'TrustSeg'}', '{ROOT}']\n"
    assert added in said, "the checkout comes last on the path: it must hide nothing"
    assert said.endswith("tested\n")


@needs_slicer
def test_missing_library_is_reported(installed: Path, tmp_path: Path):
    for name in ("TrustSegModule", "Resources"):
        shutil.copytree(installed / name, tmp_path / "module" / name)
    shutil.copy(installed / "TrustSeg.py", tmp_path / "module")
    with pytest.raises(AssertionError, match="reinstall the extension"):
        open_module(tmp_path / "module" / "TrustSeg.py")


# The stand-in for Slicer's build


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("TrustSeg/CMakeLists.txt", "TrustSeg.ui", "Gone.ui", "does not exist"),
        ("TrustSegLib/CMakeLists.txt", "errors.py", "gone.py", "does not exist"),
        ("TrustSeg/CMakeLists.txt", "NAME ${MODULE_NAME}", "TITLE ${MODULE_NAME}", "unknown"),
        ("CMakeLists.txt", '"TrustSeg contributors"', '"One" "Two"', "is a list"),
    ],
)
def test_the_stand_in_refuses_what_slicer_refuses(extension_copy: Path, file, old, new, complaint):
    changed = extension_copy / file
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new))
    done = configure(extension_copy, extension_copy / "build")
    assert done.returncode != 0
    assert complaint in " ".join(done.stderr.split())
