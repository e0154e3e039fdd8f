"""The sample images are offered in Slicer's module Sample Data, and load without a network."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytest.importorskip("slicer")
import slicer
from panel_runs import PANEL
from scene_samples import IMAGE

FOLDER = IMAGE.parent
pytestmark = pytest.mark.usefixtures("slicer_application", "scene")


@pytest.fixture
def sources(monkeypatch, slicer_application):
    """What the module offers once Slicer has started, by the name of the image."""
    from qt_stand_ins.panel import load_module
    from qt_stand_ins.scripted_module import ModuleParent

    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    load_module(PANEL).TrustSeg(ModuleParent(PANEL))
    assert slicer.modules.sampleDataSources == {}, "offered before Sample Data is loaded"
    slicer_application.startupCompleted.emit()
    slicer_application.startupCompleted.forget()
    return {source.nodeNames: source for source in slicer.modules.sampleDataSources["TrustSeg"]}


@pytest.fixture(params=["head_colin27", "hippocampus_223"])
def source(request, sources):
    return sources[request.param]


def test_a_head_comes_first_and_a_crop_second(sources):
    assert [source.sampleName for source in sources.values()] == ["Head MR", "Hippocampus MR"]


def test_sample_has_the_registered_checksum(source):
    digest = hashlib.sha256((FOLDER / source.fileNames).read_bytes()).hexdigest()
    assert source.checksums == f"SHA256:{digest}"


def test_sample_loads_without_a_network(source, tmp_path):
    assert urlparse(source.uris).scheme == "file"
    assert urlparse(source.uris).netloc == ""
    # As Sample Data fetches it.
    path, _ = urllib.request.urlretrieve(source.uris, tmp_path / source.fileNames)
    assert Path(path).read_bytes() == (FOLDER / source.fileNames).read_bytes()
    node = slicer.util.loadVolume(str(path), {"name": source.nodeNames})
    assert f"{node.GetName()}.nii.gz" == source.fileNames
    assert source.loadFileTypes == "VolumeFile"


def test_sample_has_a_thumbnail(source):
    picture = Path(source.thumbnailFileName)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_registration_is_skipped_without_sample_data(monkeypatch):
    from TrustSegModule.app.host import register_sample_data

    monkeypatch.delattr(slicer.modules, "sampledata")
    register_sample_data()
