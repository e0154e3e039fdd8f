"""The repository as a whole: its size, its file lists, its pins; what no single part would notice."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import heads
import numpy as np
import pytest
from source_tree import GENERATED, ROOT, all_files, files, imports, is_source

from TrustSegLib.imaging import read_volume

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MEGABYTE = 2**20
# Written so that this line is not found by its own pattern.
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.$}-])/(?:work|root|farm|home|Users|tmp|opt)" + r"/\w")
SOURCES = (
    ROOT / "TrustSegLib",
    ROOT / "TrustSeg" / "TrustSegModule",
    ROOT / "Training" / "trustseg_training",
)
MIRRORED = dict(zip(("Testing/library", "Testing/slicer", "Testing/training"), SOURCES, strict=True))
# Folders of files that are short because each is one answer to the same protocol.
PROTOCOLS = {"commands"}
PROJECTS = ("pyproject.toml", "Training/pyproject.toml")
BINARY = {".gz", ".png", ".safetensors", ".trustseg"}


def texts() -> list[Path]:
    return [path for path in all_files() if path.suffix not in BINARY]


def shown(paths: list[Path]) -> str:
    return "\n".join(str(path.relative_to(ROOT)) for path in paths)


# Size and names


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_every_python_file_has_at_most_500_lines():
    long = [path for path in all_files() if path.suffix == ".py" and lines(path) > 500]
    assert not long, shown(long)


def test_every_file_of_under_40_lines_serves_several():
    """A file is one whole concept: a crumb belongs to the one file that needs it."""
    importers = Counter(module for source in SOURCES for module in imported_modules(source))
    crumbs = [
        path
        for source in SOURCES
        for path in files(source.relative_to(ROOT).as_posix(), "*.py")
        if lines(path) < 40
        and not path.name.startswith("__")
        and path.parent.name not in PROTOCOLS
        and importers[module_of(path, source.parent)] == 1
    ]
    assert not crumbs, shown(crumbs)


def module_of(path: Path, source_root: Path) -> str:
    return ".".join(path.relative_to(source_root).with_suffix("").parts)


def imported_modules(source: Path) -> list[str]:
    """Modules that the files of a package import, one entry for each file that does."""
    found = []
    for path in files(source.relative_to(ROOT).as_posix(), "*.py"):
        own = imports(path, source.parent)
        found += {each.module for each in own} | {each.path for each in own}
    return found


def test_no_file_is_named_after_nothing():
    vague = [p for p in all_files() if p.stem in {"utils", "util", "helpers", "helper", "misc", "common"}]
    assert not vague, shown(vague)


def test_no_file_is_larger_than_four_megabytes_and_all_stay_far_under_a_hundred():
    """The extension catalog refuses a repository of 100 MB, history included."""
    sizes = {path: path.stat().st_size for path in all_files()}
    large = [path for path, size in sizes.items() if size > 4 * MEGABYTE]
    assert not large, shown(large)
    assert sum(sizes.values()) < 30 * MEGABYTE


def test_tests_mirror_the_tree():
    """Where a module stands, its test stands: each folder of tests has the name of a room."""
    stray = [
        folder
        for tests, source in MIRRORED.items()
        for folder in sorted((ROOT / tests).iterdir())
        if folder.is_dir()
        and is_source(folder)
        and not any((source / f"{folder.name}{end}").exists() for end in ("", ".py"))
    ]
    assert not stray, shown(stray)


def test_testing_is_never_a_package():
    """Two Slicer extensions already install a package called `Testing`."""
    assert not files("Testing", "__init__.py")
    assert not (ROOT / "Training" / "__init__.py").exists()


def test_no_path_of_a_machine_is_in_any_file():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, "\n".join(found)


# The file lists of the Slicer extension


def listed(cmake_file: Path) -> set[str]:
    """The files that the `set(..._SCRIPTS ...)` and `set(..._RESOURCES ...)` of a CMakeLists.txt name."""
    text = re.sub(r"#.*", "", cmake_file.read_text("utf-8"))
    module = re.search(r"set\(MODULE_NAME (\w+)\)", text)
    if module:
        text = text.replace("${MODULE_NAME}", module[1])
    lists = re.findall(r"set\(\w+_(?:SCRIPTS|RESOURCES)\s+([^)]*)\)", text)
    return {name for names in lists for name in names.split()}


@pytest.mark.parametrize("folder", ["TrustSeg", "TrustSegLib"])
def test_the_extension_installs_every_file_and_no_other(folder: str):
    """Slicer leaves out what is not listed, without a word: a ModuleNotFoundError for the user."""
    own = ROOT / folder
    there = {path.relative_to(own).as_posix() for path in files(folder)} - {"CMakeLists.txt"}
    scripts = "\n  ".join(sorted(name for name in there if name.endswith(".py")))
    resources = "\n  ".join(sorted(name for name in there if not name.endswith(".py")))
    assert listed(own / "CMakeLists.txt") == there, (
        f"{folder}/CMakeLists.txt should list\n\nscripts:\n  {scripts}\n\nresources:\n  {resources}"
    )


# The Python distributions


def metadata(project: str) -> dict:
    return tomllib.loads((ROOT / project).read_text("utf-8"))["project"]


def normalized(requirement: str) -> str:
    """Name of a requirement as PyPI compares names: lower case, with one kind of dash."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def pins() -> dict[str, list[str]]:
    """Each pinned name with its lines in constraints.txt."""
    named: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            named.setdefault(normalized(line), []).append(line)
    return named


@pytest.mark.parametrize("project", PROJECTS)
def test_every_dependency_is_pinned(project: str):
    """An unpinned one changes under a newcomer's `make demo` on the day it publishes."""
    stated = metadata(project)
    groups = [stated["dependencies"], *stated.get("optional-dependencies", {}).values()]
    ours = {metadata(each)["name"] for each in PROJECTS}
    names = {normalized(each) for group in groups for each in group} - ours
    assert not names - set(pins()), sorted(names - set(pins()))


def test_each_pin_is_exact_and_a_second_one_is_for_another_python():
    for lines in pins().values():
        assert all(re.match(r"[\w.-]+==[\w.]+( ; |$)", line) for line in lines), lines
        markers = {line.partition(" ; ")[2] for line in lines}
        assert len(lines) == 1 or markers == {'python_version < "3.11"', 'python_version >= "3.11"'}, lines


def test_torch_is_pinned_to_one_version():
    """Any other may pull gigabytes of CUDA packages; torchvision has no build that fits it."""
    assert pins()["torch"] == ["torch==2.13.0"]
    assert not {"torchvision", "torchaudio"} & set(pins())


def test_both_distributions_have_the_same_floor_of_python():
    assert {metadata(project)["requires-python"] for project in PROJECTS} == {">=3.10"}


def test_the_declared_dependencies_are_those_the_library_imports():
    """One too few fails for the user only; one too many is installed by all for nothing."""
    source = "\n".join(path.read_text("utf-8") for path in files("TrustSegLib", "*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", source, flags=re.MULTILINE))
    imported -= {*sys.stdlib_module_names, "TrustSegLib"}
    stated = metadata("pyproject.toml")
    optional = stated["optional-dependencies"]["dicom"]
    declared = {normalized(each) for each in [*stated["dependencies"], *optional]}
    assert {name.lower() for name in imported} == declared


def test_only_the_dicom_output_imports_what_is_in_the_dicom_extra():
    """Anywhere else it would fail for everyone who has not asked for the extra."""
    optional = {normalized(each) for each in metadata("pyproject.toml")["optional-dependencies"]["dicom"]}
    found = [
        path
        for path in files("TrustSegLib", "*.py")
        if optional & set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text("utf-8"), re.MULTILINE))
    ]
    assert found
    assert all("dicom_output" in path.parts for path in found), shown(found)


def test_the_tests_have_what_every_extra_brings():
    """`make test` installs the extra `test` alone: what another extra needs would be skipped or red."""
    extras = metadata("pyproject.toml")["optional-dependencies"]
    assert set().union(*extras.values()) == set(extras["test"])


def test_the_wheel_holds_every_file_of_the_library(tmp_path: Path):
    """An editable install hides a schema or a model that was left out of the wheel."""
    for name in ("pyproject.toml", "LICENSE.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").write_text("TrustSeg\n")
    ignore = shutil.ignore_patterns(*GENERATED)
    shutil.copytree(ROOT / "TrustSegLib", tmp_path / "TrustSegLib", ignore=ignore)
    (tmp_path / "Testing").mkdir()
    (tmp_path / "Testing" / "__init__.py").touch()
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {path.relative_to(ROOT).as_posix() for path in files("TrustSegLib")}
    assert packed == expected - {"TrustSegLib/CMakeLists.txt"}


# What git keeps


@pytest.fixture
def empty_repository(tmp_path: Path) -> Path:
    """A repository with nothing but our git rules."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: its rules cannot be asked")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in (".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_git_keeps_the_models_and_not_what_the_commands_write(empty_repository: Path):
    kept = ["TrustSegLib/models/hippocampus-t1/weights.safetensors", "TrustSeg/Resources/SampleData/x.nii.gz"]
    written = [".venv/bin/python", "demo-output/overlay.png", "Training/runs/a/last.ckpt"]
    ignored = git(empty_repository, "check-ignore", "--no-index", *kept, *written).split()
    assert ignored == written


def test_git_never_changes_a_byte_of_a_model(empty_repository: Path):
    """A converted line ending would break the SHA-256 of the bundle on Windows."""
    card = "TrustSegLib/models/hippocampus-t1/MODEL_CARD.md"
    assert git(empty_repository, "check-attr", "text", "--", card).strip() == f"{card}: text: unset"


# The sample


def test_the_samples_are_what_their_readme_says():
    folder = ROOT / "TrustSeg" / "Resources" / "SampleData"
    readme = (folder / "README.md").read_text("utf-8")
    said = dict(re.findall(r"`(\S+\.nii\.gz)` \|.*`([0-9a-f]{64})`", readme))
    assert said == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.gz")}
    assert "CC BY-SA 4.0" in readme
    assert "Copyright (C) 1993-2009 Louis Collins" in readme


def test_the_sample_head_is_made_from_that_of_the_package():
    committed = read_volume(ROOT / "TrustSeg/Resources/SampleData" / f"{heads.SAMPLE}.nii.gz")
    made = heads.sample()
    assert committed.same_grid(made)
    # Another version of SciPy may round a voxel the other way.
    assert np.abs(committed.array.astype(int) - made.array).max() <= 1


def test_the_demo_runs_on_files_that_are_there():
    samples = re.search(r"^SAMPLES \?= (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)[1]
    assert len(samples.split()) == 2
    assert all((ROOT / sample).is_file() for sample in samples.split())
