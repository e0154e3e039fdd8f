from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "TrustSeg"
if str(MODULE) not in sys.path:
    # As Slicer does for a scripted module: the folder of the module, last.
    sys.path.append(str(MODULE))


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
