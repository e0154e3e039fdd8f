"""The extension as Slicer gets it: built with real cmake, installed, loaded from both its places."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HARNESS = ROOT / "Testing" / "harness"
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")

# Opens the module as the application would, and says where the library came from.
OPEN_MODULE = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
import slicer_stand_in
slicer_stand_in.install()
path = Path(sys.argv[2])
module = slicer_stand_in.load_module(path)
parent = slicer_stand_in.ModuleParent(path)
module.TrustSeg(parent)
widget = module.TrustSegWidget(path)
widget.setup()
module.TrustSegTest().runTest()
import TrustSegLib.errors
print("title:", parent.title)
print("categories:", parent.categories)
print("help:", bool(parent.helpText and parent.acknowledgementText))
print("panel:", " ".join(widget.ui.statusLabel.texts["text"].split()))
print("library:", Path(TrustSegLib.__file__).parent)
print("path:", sys.path)
"""


def run_cmake(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cmake = shutil.which("cmake", path=search)
    assert cmake, "cmake is missing: pip install cmake"
    return subprocess.run([cmake, *map(str, arguments)], capture_output=True, text=True, check=False)


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    stand_in = HARNESS / "cmake"
    return run_cmake(
        *("-S", source, "-B", build),
        f"-DSlicer_DIR={stand_in}",
        f"-DCMAKE_TOOLCHAIN_FILE={stand_in / 'NoCompiler.cmake'}",
        "-DBUILD_TESTING=ON",
    )


def run_plain_python(code: str, *arguments: str | Path) -> str:
    """Run code in a Python without site-packages: no torch, no editable install, no repository."""
    command = [sys.executable, "-I", "-S", "-B", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_the_library_is_installed_beside_the_module(installed: Path):
    for file in ("TrustSeg.py", "TrustSegModule/__init__.py", "Resources/UI/TrustSeg.ui"):
        assert (installed / file).is_file(), file
    assert (installed / "Resources/Icons/TrustSeg.png").read_bytes().startswith(b"\x89PNG")
    assert (installed / "TrustSegLib/__init__.py").is_file()
    assert (installed / "TrustSegLib/bundle/model.schema.json").is_file()


def test_nothing_is_installed_that_collides_with_another_extension(installed: Path):
    """The folder is shared by all modules: a package called `Testing` or `Training` would hide another's."""
    expected = {"TrustSeg.py", "TrustSegModule", "TrustSegLib", "Resources"}
    assert {path.name for path in installed.iterdir()} == expected


def test_the_installed_library_imports_without_the_repository_and_without_torch(installed: Path):
    code = "import sys; sys.path.append(sys.argv[1]); import TrustSegLib.errors as e; print(e.__file__)"
    assert run_plain_python(code, installed).strip() == str(installed / "TrustSegLib" / "errors.py")


def test_the_installed_module_opens_with_the_library_beside_it(installed: Path):
    said = run_plain_python(OPEN_MODULE, HARNESS, installed / "TrustSeg.py")
    assert f"library: {installed / 'TrustSegLib'}\n" in said
    assert str(ROOT) + "'" not in said, "an installed module must not reach for a checkout"


def test_the_module_opens_from_a_checkout_with_the_library_above_it():
    said = run_plain_python(OPEN_MODULE, HARNESS, ROOT / "TrustSeg" / "TrustSeg.py")
    assert f"library: {ROOT / 'TrustSegLib'}\n" in said
    assert f", '{ROOT}']" in said, "the checkout comes last on the path: it must hide nothing"


def test_a_module_without_its_library_says_so(installed: Path, tmp_path: Path):
    for name in ("TrustSegModule", "Resources"):
        shutil.copytree(installed / name, tmp_path / "module" / name)
    shutil.copy(installed / "TrustSeg.py", tmp_path / "module")
    with pytest.raises(AssertionError, match="reinstall the extension"):
        run_plain_python(OPEN_MODULE, HARNESS, tmp_path / "module" / "TrustSeg.py")


def test_the_panel_says_what_works_today(installed: Path):
    said = run_plain_python(OPEN_MODULE, HARNESS, installed / "TrustSeg.py")
    assert "title: TrustSeg\ncategories: ['Segmentation']\nhelp: True\n" in said
    assert "This panel comes with the next version" in said
    assert "trustseg segment IMAGE -o FOLDER" in said


def test_the_catalog_gets_each_field_as_one_text(build_folder: Path):
    description = (build_folder / "TrustSeg.description").read_text()
    fields = dict(line.split(" ", 1) for line in description.splitlines())
    assert fields["DEPENDS"] == "PyTorch"
    assert fields["CATEGORY"] == "Segmentation"
    homepage = fields["HOMEPAGE"]
    assert homepage.rpartition("/")[2] == "SlicerTrustSeg"
    icon = fields["ICONURL"].partition("/main/")[2]
    assert (ROOT / icon).is_file(), "the icon's address names no file of the repository"


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


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("TrustSeg.py", "slicer.util.loadUI", "slicer.util.loadPanel", "has no attribute 'loadPanel'"),
        ("TrustSeg.py", "self.parent.title", "self.parent.caption", "no attribute 'caption'"),
        ("Resources/UI/TrustSeg.ui", "QLabel", "qMRMLLabel", "no stand-in for the widget class"),
    ],
)
def test_the_stand_in_invents_nothing(extension_copy: Path, file, old, new, complaint):
    changed = extension_copy / "TrustSeg" / file
    changed.write_text(changed.read_text().replace(old, new))
    with pytest.raises(AssertionError, match=complaint):
        run_plain_python(OPEN_MODULE, HARNESS, extension_copy / "TrustSeg" / "TrustSeg.py")
