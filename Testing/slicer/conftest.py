from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

MODULE = Path(__file__).resolve().parents[2] / "TrustSeg"
if str(MODULE) not in sys.path:
    # As Slicer does for a scripted module: the folder of the module, last.
    sys.path.append(str(MODULE))


@pytest.fixture(autouse=True)
def user_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the models that the user has added, not there yet; never the one of who runs the tests."""
    folder = tmp_path_factory.mktemp("user") / "models é"
    monkeypatch.setenv("TRUSTSEG_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def application() -> Iterator:
    """The MRML half of the application; skipped where its package is not installed."""
    pytest.importorskip("slicer", reason="pip install slicer-core")
    from application import Application

    application = Application()
    yield application
    application.close()


@pytest.fixture
def scene(application):
    """An empty scene; what MRML or VTK complains of during the test fails it."""
    application.clear()
    yield application.scene
    errors = list(application.errors)
    application.clear()
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="session")
def slicer_application(application):
    """The whole application: `application` with stand-ins for the Qt side; also `slicer.app`."""
    pytest.importorskip("PySide6", reason="pip install PySide6-Essentials")
    from qt_stand_ins.installation import install

    return install(application)


@pytest.fixture(scope="session")
def warm_worker(slicer_application, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """One process for all panels: starting PyTorch takes seconds."""
    # Looked for, and not imported: only the process needs it.
    if find_spec("torch") is None:
        pytest.skip("pip install torch")
    from panel_runs import SharedWorker

    from TrustSegModule.jobs.worker import python_executable

    # Not those that a single test adds.
    no_models = str(tmp_path_factory.mktemp("nothing") / "added")
    worker = SharedWorker(python_executable(), {**os.environ, "TRUSTSEG_MODELS": no_models})
    yield worker
    worker.end()


@pytest.fixture
def shared_worker(warm_worker, monkeypatch):
    """Panels and scripts that are opened now use the warm worker."""
    from TrustSegModule.jobs import worker
    from TrustSegModule.panels import session

    for module in (worker, session):
        monkeypatch.setattr(module, "make_worker", lambda: warm_worker)
    return warm_worker


@pytest.fixture(scope="session")
def model_of_crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model without its locator."""
    from hand_made_bundles import without_locator

    return without_locator(tmp_path_factory.mktemp("crops") / "hippocampus-t1")


@pytest.fixture
def crops_only(application, model_of_crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels that are opened now take every image as a crop: a large one takes long, and is not searched."""
    from TrustSegModule.app import models
    from TrustSegModule.panels import RunPanel

    model = models.Model(model_of_crops, json.loads((model_of_crops / "model.json").read_text("utf-8")))
    monkeypatch.setattr(models, "bundled_models", lambda: [model])
    # Chosen by hand: the worker does not know it, and would choose the bundled one.
    monkeypatch.setattr(RunPanel, "model", model)


@pytest.fixture
def image(slicer_application, scene):
    """The sample image, loaded by hand."""
    from panel_runs import load_image

    return load_image()


@pytest.fixture
def panel(image, shared_worker) -> Iterator:
    """The panel, opened on the sample image, with the warm worker."""
    from panel_runs import PANEL
    from qt_stand_ins.panel import open_panel

    with open_panel(PANEL) as opened:
        yield opened


@pytest.fixture
def opened(image, shared_worker, dialogs, monkeypatch) -> Iterator:
    """The panel on a calibrated result; which module it switches to is kept."""
    from panel_runs import PANEL
    from qt_stand_ins.panel import open_panel
    from review_samples import put_calibrated

    from TrustSegModule.app import host

    chosen: list[str] = []
    # The application's own switch of modules: it cannot be had here.
    monkeypatch.setattr(host, "open_module", chosen.append)
    nodes = put_calibrated(image)
    with open_panel(PANEL) as panel:
        yield SimpleNamespace(panel=panel, ui=panel.ui, nodes=nodes, image=image, modules=chosen)


@pytest.fixture
def dialogs(slicer_application):
    """Message boxes: answers beforehand, and those that were shown."""
    from qt_stand_ins.dialogs import dialogs

    return dialogs


@pytest.fixture
def small_pieces(monkeypatch):
    """A result comes into the scene as a large one does: a slice per piece, and a piece per call."""
    from TrustSegModule.results import placement
    from TrustSegModule.scene import geometry

    monkeypatch.setattr(geometry, "PIECE_BYTES", 1)
    monkeypatch.setattr(placement, "STEP_SECONDS", 0.0)
