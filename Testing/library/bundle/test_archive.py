"""An archive of any origin writes nothing outside its folder and does not fill the disk."""

from __future__ import annotations

import random
import stat
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from TrustSegLib.bundle import archive as unpacking
from TrustSegLib.bundle import load_bundle
from TrustSegLib.bundle.archive import unpack
from TrustSegLib.errors import BundleError


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to unpack into, two levels down so that `../` would stay in the test's own folder."""
    folder = tmp_path / "inner" / "target"
    folder.mkdir(parents=True)
    return folder


def refused(path: Path, target: Path, message: str) -> None:
    """Expect one line that names the archive, and nothing written anywhere."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(BundleError, match=message) as caught:
        unpack(path, target)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert sorted(path.parent.rglob("*")) == before


def write(path: Path, *names: str, content: bytes = b"x", method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip of files with these names."""
    with zipfile.ZipFile(path, "w", method) as target:
        for name in names:
            # Not through the constructor, which cleans the name.
            entry = zipfile.ZipInfo("name")
            entry.filename = entry.orig_filename = name
            entry.compress_type = method
            target.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "../../evil",
        "/evil",
        "C:/evil",
        "C:evil",
        "..\\evil",
        "\\evil",
        "..",
        ".hidden",
        "folder/",
        "folder/file",
        "a\nb",
        "ü",
        "stream:ads",
        "x" * 101,
    ],
)
def test_entry_that_is_no_plain_name_is_refused_before_anything_is_written(
    name: str, tmp_path: Path, target: Path
) -> None:
    refused(write(tmp_path / "a.trustseg", "model.json", name), target, "holds '.*; zip only the files")


def test_name_with_a_hidden_end_is_refused(tmp_path: Path, target: Path) -> None:
    path = write(tmp_path / "a.trustseg", "evilXend")
    path.write_bytes(path.read_bytes().replace(b"evilXend", b"evil\0end"))
    refused(path, target, "holds 'evil.x00end'")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFIFO])
def test_link_or_device_is_refused(kind: int, tmp_path: Path, target: Path) -> None:
    path = tmp_path / "a.trustseg"
    with zipfile.ZipFile(path, "w") as content:
        entry = zipfile.ZipInfo("weights.safetensors")
        entry.external_attr = (kind | 0o777) << 16
        content.writestr(entry, "/etc/passwd")
    refused(path, target, "holds 'weights.safetensors', which is not a plain file")


@pytest.mark.parametrize("second", ["model.json", "MODEL.json"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_name_is_refused(second: str, tmp_path: Path, target: Path) -> None:
    refused(write(tmp_path / "a.trustseg", "model.json", second), target, f"holds {second} twice")


def test_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 199_999)
    path = write(tmp_path / "a.trustseg", "one", "two", content=bytes(100_000))
    refused(path, target, "unpacks to 200000 bytes, not at most 199999")


def test_entry_is_written_up_to_its_declared_size(tmp_path: Path, target: Path) -> None:
    path = write(tmp_path / "a.trustseg", "bomb", content=bytes(1_000_000))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    with pytest.raises(BundleError, match="is not a whole zip archive"):
        unpack(path, target)
    assert sum(file.stat().st_size for file in target.iterdir()) <= 10


def test_archive_of_too_many_files_is_refused(tmp_path: Path, target: Path) -> None:
    refused(write(tmp_path / "a.trustseg", *(f"f{index}" for index in range(65))), target, "holds 65 files")


def test_encrypted_archive_is_refused(tmp_path: Path, target: Path) -> None:
    path = write(tmp_path / "a.trustseg", "model.json")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, target, "'model.json' is encrypted, or not packed by deflate")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method: int, tmp_path: Path, target: Path) -> None:
    refused(write(tmp_path / "a.trustseg", "model.json", method=method), target, "not packed by deflate")


def test_file_that_is_no_zip_is_one_line(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "a.trustseg"
    path.write_bytes(b"no zip at all")
    refused(path, target, "is not a whole zip archive")


def test_newer_zip_format_is_one_line(tmp_path: Path, target: Path) -> None:
    path = write(tmp_path / "a.trustseg", "model.json")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 0xFF
    path.write_bytes(content)
    refused(path, target, "is not a whole zip archive .*version 25.5")


def test_name_that_is_no_text_is_one_line(tmp_path: Path, target: Path) -> None:
    path = write(tmp_path / "a.trustseg", "model-µ")
    path.write_bytes(path.read_bytes().replace("µ".encode(), b"\xff\xff"))
    refused(path, target, "is not a whole zip archive")


def test_stored_files_are_unpacked_as_well(tmp_path: Path, target: Path) -> None:
    unpack(write(tmp_path / "a.trustseg", "one", "two", content=b"abc", method=zipfile.ZIP_STORED), target)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == {"one": b"abc", "two": b"abc"}


def test_damaged_archive_gives_the_same_model_or_one_line(archive: Path) -> None:
    original, sha256 = archive.read_bytes(), load_bundle(archive).sha256
    chance = random.Random(5)
    # The directory at the end holds what a reader trusts: most of the changes go there.
    size = len(original)
    for place in chance.choices(range(size), k=100) + chance.choices(range(size - 450, size), k=200):
        changed = bytearray(original)
        changed[place] ^= 1 << chance.randrange(8)
        archive.write_bytes(changed)
        with suppress(BundleError):
            assert load_bundle(archive).sha256 == sha256
