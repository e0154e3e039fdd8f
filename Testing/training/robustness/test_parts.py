"""The files of a verification: their keys and names, and that each is written whole or not at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pandas
import pytest

from trustseg_training.dataset import Case, find_cases
from trustseg_training.robustness import parse_group, parse_variant, parts
from trustseg_training.robustness.suite import Protocol, load_suite
from trustseg_training.robustness.summary import write_summary
from trustseg_training.robustness.tables import Tables, tables_of
from TrustSegLib.errors import ImageError, OptionError, OutputError


@dataclass(frozen=True)
class Model:
    """What the key needs of a model."""

    sha256: str = "0"


@dataclass(frozen=True)
class Evaluated:
    """A model without a network."""

    name: str = "m"
    model: Model = Model()
    label_map: dict = field(default_factory=dict)


@pytest.fixture(autouse=True)
def any_network(monkeypatch):
    monkeypatch.setattr(parts, "inference_settings", lambda evaluated: {})


@pytest.fixture
def cases(tmp_path) -> list[Case]:
    """Two patients whose files have one name, in a table that names them by absolute paths."""
    rows = []
    for patient in ("p0", "p1"):
        for kind in ("image", "label"):
            path = tmp_path / "data" / patient / f"{kind}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"voxels")
        rows.append(f"{path.with_name('image.nii.gz')},{path}")
    table = tmp_path / "data" / "cases.csv"
    table.write_text("\n".join(["image,label", *rows]) + "\n", encoding="utf-8")
    return find_cases(table)


def part_of(case: Case, name: str = "m") -> parts.Part:
    return parts.part_of(Evaluated(name), case, Protocol(load_suite("quick"), 0))


@pytest.mark.parametrize("place", [0, 1])
def test_changed_image_or_label_is_measured_again(cases, tmp_path, place):
    case = cases[0]
    parts.write(part_of(case), [], tmp_path)
    assert parts.is_done(part_of(case), tmp_path)
    file = case.files[place]
    before = file.stat()
    file.write_bytes(b"others")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert not parts.is_done(part_of(case), tmp_path)


def test_file_with_another_size_and_the_old_time_is_measured_again(cases, tmp_path):
    label = cases[0].label
    before, key = label.stat(), part_of(cases[0]).key
    label.write_bytes(b"more voxels")
    os.utime(label, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert part_of(cases[0]).key != key


def test_moved_data_set_keeps_its_parts(dataset, tmp_path):
    before = part_of(find_cases(dataset)[0]).key
    shutil.move(dataset, tmp_path / "moved")
    assert part_of(find_cases(tmp_path / "moved")[0]).key == before


def test_every_slice_of_a_series_is_part_of_its_identity(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    for name in ("a.dcm", "b.dcm"):
        (series / name).write_bytes(b"slice")
    case = Case("c", (series,), series / "a.dcm", "p")
    before = case.identity()
    (series / "b.dcm").write_bytes(b"another slice")
    assert case.identity() != before


def test_missing_file_is_named(cases):
    cases[0].label.unlink()
    with pytest.raises(ImageError, match=r"label\.nii\.gz: cannot be reached \(No such file or directory\)"):
        part_of(cases[0])


def test_cases_named_by_paths_have_separate_files_in_the_folder(cases, tmp_path):
    output = tmp_path / "out"
    assert cases[0].name.startswith("/"), "the test asks for names that are paths"
    before = sorted((tmp_path / "data").rglob("*"))
    for case in cases:
        for model in ("first", "second"):
            parts.write(part_of(case, model), [{"of": [case.name, model]}], output)
    assert sorted((tmp_path / "data").rglob("*")) == before
    assert len(list(output.glob("parts/*/*.json"))) == 4
    for case in cases:
        assert parts.records_of(part_of(case, "second"), output) == [{"of": [case.name, "second"]}]


@pytest.mark.parametrize("name", ["hippocampus_001", "Patient é 3", "a+T", "a..b"])
def test_plain_names_stay_readable(name, tmp_path):
    assert parts.Part(name, "", name, "p", "k").path(tmp_path) == tmp_path / "parts" / name / f"{name}.json"


@pytest.mark.parametrize("name", ["..", ".", ".x", "a/b", "a\\b", "../../x", "c:x", "a/" * 200, "é" * 200])
def test_any_name_becomes_a_short_file_name_in_the_folder(name, tmp_path):
    part = parts.Part(name, "", name, "p", "k")
    parts.write(part, [], tmp_path)
    (path,) = tmp_path.glob("parts/*/*.json")
    assert path == part.path(tmp_path)
    assert not path.name.startswith(".")
    assert not path.parent.name.startswith(".")


def test_quoted_and_plain_names_have_different_files(tmp_path):
    names = ("a/b", "a%2Fb", "a%252Fb", ".a", "%2Ea", "x/" * 200, "x/" * 201)
    paths = {parts.Part("m", "", name, "p", "k").path(tmp_path) for name in names}
    assert len(paths) == len(names)


@pytest.mark.parametrize("name", ["a/b", "a\\b", "..", ".", "../a"])
def test_name_that_is_a_path_is_refused(name):
    with pytest.raises(OptionError, match=r"--variant .*no name of a folder"):
        parse_variant(f"{name}=runs/v:exact")
    with pytest.raises(OptionError, match=r"--ensemble .*no name of a folder"):
        parse_group([name, "runs/a", "runs/b"], "--ensemble")


def test_members_of_an_ensemble_and_names_of_groups_may_be_paths():
    assert parse_group(["e", "../a", "runs/b"], "--ensemble") == ("e", ["../a", "runs/b"])
    assert parse_group(["a/b", "x", "y"], "--seeds") == ("a/b", ["x", "y"])


@pytest.mark.parametrize("text", [None, "{", "[]", '{"key": "another", "records": []}', '{"key": "k"}'])
def test_tables_need_every_part(text, tmp_path):
    part = parts.Part("m", "", "c", "p", "k")
    if text is not None:
        part.path(tmp_path).parent.mkdir(parents=True)
        part.path(tmp_path).write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"c\.json: .*; give the same command again"):
        tables_of([part], tmp_path)


def tables() -> Tables:
    return Tables(pandas.DataFrame({"dice": [0.5]}), pandas.DataFrame({"case": ["é"]}), {}, [])


def test_error_on_writing_tables_names_file_and_reason(tmp_path):
    with pytest.raises(
        OutputError, match=r"structures\.csv: cannot be written \(No such file or directory\)"
    ):
        tables().write(tmp_path / "missing")


def test_old_files_are_kept_whole_when_the_disk_is_full(tmp_path, monkeypatch):
    """The disk is full at the last step: what stood there before still stands."""
    write = {
        "structures.csv": lambda: tables().write(tmp_path),
        "cases.csv": lambda: tables().write(tmp_path),
        "union_and_cut.csv": lambda: tables().write(tmp_path),
        "summary.json": lambda: write_summary(tmp_path / "summary.json", {"a": 1}),
        "parts/m/c.json": lambda: parts.write(parts.Part("m", "", "c", "p", "k"), [], tmp_path),
    }
    for each in write.values():
        each()
    assert pandas.read_csv(tmp_path / "cases.csv")["case"].tolist() == ["é"]
    before = {name: (tmp_path / name).stat().st_ino for name in write}

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for each in write.values():
        with pytest.raises(OutputError, match="the disk is full"):
            each()
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(write)
    assert {name: (tmp_path / name).stat().st_ino for name in write} == before
