"""Class moments larger than the budget go to unnamed temporary files."""

from __future__ import annotations

import gc
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from TrustSegLib.errors import OutputError
from TrustSegLib.inference import Storage


def _mappings(folder: Path) -> int:
    """Number of this process's file mappings in a folder, removed files included."""
    return Path("/proc/self/maps").read_text(encoding="utf-8").count(str(folder))


def test_budget_is_shared_by_all_arrays() -> None:
    storage = Storage(memory_gb=1000e-9)
    first, second, third = (storage.allocate(shape) for shape in ((100,), (200,), (150,)))
    assert [isinstance(array, np.memmap) for array in (first, second, third)] == [False, True, False]
    assert second.dtype == np.float32
    assert not second.any()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="lists the mappings of Linux")
def test_files_are_unnamed_and_freed_with_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    array = Storage(memory_gb=0.0).allocate((3, 50))
    array[1] = 2.0
    assert _mappings(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    del array
    gc.collect()
    assert _mappings(tmp_path) == 0


def test_full_disk_is_reported_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match=r"no room for 4.0 GB.*TMPDIR"):
        Storage(memory_gb=0.0).allocate((10**9,))
