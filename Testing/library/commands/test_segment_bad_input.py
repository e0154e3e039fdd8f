"""Errors that the user can fix: one clear line, exit code 2, and nothing written."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TrustSegLib.cli import main
from TrustSegLib.imaging import Volume, write_volume

VolumeMaker = Callable[..., Volume]
Maker = Callable[[Path, VolumeMaker], None]
PIXDIM = 76
"""Where a NIfTI header holds its voxel size: eight float32, x y z the second to fourth."""


def text_file(path: Path, new_volume: VolumeMaker) -> None:
    path.write_text("this is no image\n")


def truncated(path: Path, new_volume: VolumeMaker) -> None:
    write_volume(new_volume(), path)
    path.write_bytes(path.read_bytes()[:-1000])


def flat(path: Path, new_volume: VolumeMaker) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.eye(20, dtype=np.float32)), str(path))


def four_dimensional(path: Path, new_volume: VolumeMaker) -> None:
    image = new_volume().to_sitk()
    sitk.WriteImage(sitk.JoinSeries(image, image), str(path))


def with_value(value: float, kind: type = np.float32) -> Maker:
    def make(path: Path, new_volume: VolumeMaker) -> None:
        volume = new_volume()
        volume = volume.with_array(volume.array.astype(kind))
        volume.array[0, 3, 4, 5] = value
        sitk.WriteImage(volume.to_sitk(), str(path))

    return make


def constant(path: Path, new_volume: VolumeMaker) -> None:
    volume = new_volume()
    write_volume(volume.with_array(np.full_like(volume.array, 5.0)), path)


def with_spacing(value: float) -> Maker:
    def make(path: Path, new_volume: VolumeMaker) -> None:
        write_volume(new_volume(), path)
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[PIXDIM + 8 : PIXDIM + 12] = struct.pack("<f", value)
        path.write_bytes(gzip.compress(bytes(content)))

    return make


def with_array(array: np.ndarray, length: float) -> Maker:
    """Voxels with edges of a length in mm."""

    def make(path: Path, new_volume: VolumeMaker) -> None:
        volume = Volume(array, (length,) * 3, (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        sitk.WriteImage(volume.to_sitk(), str(path))

    return make


def two_channels(path: Path, new_volume: VolumeMaker) -> None:
    write_volume(new_volume(channels=2), path)


BAD_IMAGES: dict[str, tuple[Maker, str]] = {
    "missing": (lambda path, new_volume: None, "no such file"),
    "text": (text_file, "gzip|damaged"),
    "truncated": (truncated, "truncated"),
    "2D": (flat, "2D"),
    "4D": (four_dimensional, "4D"),
    "NaN": (with_value(float("nan")), "NaN"),
    "infinite": (with_value(float("inf")), "infinite"),
    "constant": (constant, "every voxel is 5"),
    "zero spacing": (with_spacing(0.0), "voxel size"),
    "negative spacing": (with_spacing(-1.0), "voxel size"),
    "too coarse": (
        with_array(np.random.default_rng(0).normal(size=(1, 40, 50, 40)), 10.0),
        "10 x 10 x 10 mm would",
    ),
    "a meter": (with_array(np.eye(4).reshape(1, 2, 2, 4), 1000.0), "1000 x 1000 x 1000 mm"),
    "beyond float32": (with_value(1e39, np.float64), r"1\.0e\+39"),
    "two channels": (two_channels, "2 channels"),
}


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error; there is nothing else, and nothing on standard output."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("trustseg: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_good_image_is_accepted(image, model, output):
    """Without this, every test below could pass for a wrong reason."""
    assert main(["segment", str(image), "-o", str(output), "--model", str(model), "--quiet"]) == 0


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_image_gets_one_line_and_leaves_nothing(kind, new_volume, tmp_path, model, output, capsys):
    make, words = BAD_IMAGES[kind]
    image = tmp_path / "bad image.nii.gz"
    make(image, new_volume)
    before = sorted(tmp_path.rglob("*"))
    assert main(["segment", str(image), "-o", str(output / "deep"), "--model", str(model)]) == 2
    error = one_error(capsys)
    assert str(image) in error
    assert re.search(words, error)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["missing", "text", "NaN", "two channels"])
def test_with_json_the_error_is_json_too(kind, new_volume, tmp_path, model, output, capsys):
    make, words = BAD_IMAGES[kind]
    image = tmp_path / "bad.nii.gz"
    make(image, new_volume)
    assert main(["segment", str(image), "-o", str(output), "--model", str(model), "--json"]) == 2
    printed = capsys.readouterr()
    assert re.search(words, json.loads(printed.out)["error"])
    assert printed.err == f"trustseg: error: {json.loads(printed.out)['error']}\n"


@pytest.mark.parametrize("name", ["weights.safetensors", "MODEL_CARD.md", "model.json"])
def test_model_with_a_changed_byte_is_refused(name, tmp_path, image, model, output, capsys):
    damaged = Path(shutil.copytree(model, tmp_path / "damaged"))
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 0x5A
    (damaged / name).write_bytes(content)
    assert main(["segment", str(image), "-o", str(output), "--model", str(damaged)]) == 2
    assert str(damaged) in one_error(capsys)
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "gpu"], "device 'gpu'"),
        (["--device", "cuda:99"], "device 'cuda:99'"),
        (["--maps", "entropy,doubt"], "map 'doubt'"),
        (["--roi", "1,2,3"], "ROI '1,2,3'"),
        (["--roi", "-900,-800,-900,-800,-900,-800"], "holds no voxel"),
        (["--precision", "float8"], "precision 'float8'"),
        (["--overlap", "1"], "overlap"),
        (["--batch-size", "0"], "batch"),
        (["--batch-size", "two"], "--batch-size"),
        (["--seed", "-1"], "seed -1"),
        (["--seed", str(2**63)], "seed"),
        (["--model", "nobody"], "nobody"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_option_gets_one_line(options, words, image, model, output, capsys):
    assert main(["segment", str(image), "-o", str(output), "--model", str(model), *options]) == 2
    assert words in one_error(capsys)
    assert not output.exists()


@pytest.mark.parametrize("arguments", [[], ["segment"], ["models"], ["models", "show"], ["dance"]])
def test_incomplete_command_gets_one_line_that_points_to_the_help(arguments, capsys):
    assert main(arguments) == 2
    assert "--help" in one_error(capsys)


def test_error_of_many_lines_is_printed_on_one(model, output, tmp_path, capsys):
    assert (
        main(["segment", str(tmp_path / "two\nlines.nii.gz"), "-o", str(output), "--model", str(model)]) == 2
    )
    one_error(capsys)
