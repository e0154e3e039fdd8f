"""Missing packages are installed with consent only; a decline changes nothing, a failure is one line."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest
from package_installers import (
    SMALL,
    OldUtil,
    Packaging,
    PyTorchUtilsLogic,
    put_package,
    remove,
    stopped_after,
)

pytest.importorskip("slicer", reason="pip install slicer-core")
pytestmark = pytest.mark.usefixtures("slicer_application")


@pytest.fixture
def torch(tmp_path: Path) -> Path:
    """A site-packages with all that is needed."""
    for name in (*SMALL, "torch"):
        put_package(tmp_path, name)
    return tmp_path


@pytest.fixture
def asked(slicer_application, torch, monkeypatch):
    """Slicer's Python has only what a test leaves in `torch`; dialogs are answered by the test."""
    from qt_stand_ins.dialogs import dialogs

    # While our own folder is still on the path.
    importlib.import_module("TrustSegModule.app.dependencies")
    monkeypatch.setattr(sys, "path", [str(torch)])
    # Other tests of this process may have imported them.
    for name in ("torch", "scipy", "jsonschema", "safetensors"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(slicer_application, "restarts", 0)
    dialogs.clear()
    yield dialogs
    assert not dialogs.unused


@pytest.fixture
def pip(torch, monkeypatch) -> Packaging:
    """`slicer.packaging` of Slicer 5.12, installing into the folder `torch`."""
    packaging = Packaging(torch)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    return packaging


@pytest.fixture
def pytorch(slicer_application, torch, monkeypatch):
    """The PyTorch extension, installing into the folder `torch`."""
    import slicer

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = type("PyTorchUtilsLogic", (PyTorchUtilsLogic,), {"folder": torch, "calls": []})
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    extension = types.SimpleNamespace(name="PyTorchUtils")
    monkeypatch.setattr(slicer.modules, "pytorchutils", extension, raising=False)
    return module.PyTorchUtilsLogic


def install():
    from TrustSegModule.app.dependencies import check, install

    return install(check())


def test_nothing_is_asked_when_all_is_there(asked):
    assert install() is True
    assert not asked.shown


def test_missing_packages_come_through_slicer_and_leave_numpy_alone(asked, pip, torch):
    remove(torch, "safetensors", "jsonschema")
    asked.answer("Ok", to="2")
    assert install() is True
    assert pip.installed == ["jsonschema>=4.20", "safetensors>=0.4.3"]
    assert pip.constraints == ["numpy==99.0", "SimpleITK==99.0"]
    assert "safetensors>=0.4.3" in asked.shown[0].details
    assert not list(Path(pip.constraints_file).parent.glob("*")), "the file of constraints is left behind"


def test_torch_comes_through_its_extension(asked, pytorch, torch):
    remove(torch, "torch")
    asked.answer("Ok", to="PyTorch is a large download")
    assert install() is True
    assert pytorch.calls == [("install", ">=2.4")]


@pytest.mark.parametrize("gone", [("torch",), ("safetensors",), ("torch", "safetensors")])
def test_declining_changes_nothing(asked, pip, pytorch, torch, gone):
    remove(torch, *gone)
    before = sorted(torch.rglob("*"))
    asked.answer("Cancel")
    assert install() is False
    assert sorted(torch.rglob("*")) == before
    assert not pip.installed
    assert not pytorch.calls
    assert len(asked.shown) == 1, "one question for all, so that a later no cannot leave half of it"


def test_a_half_installed_torch_is_removed_first(asked, pytorch, torch):
    (torch / "torch/version.py").unlink()
    asked.answer("Ok", to="half installed")
    assert install() is True
    assert pytorch.calls == [("uninstall",), ("install", ">=2.4")]


def test_a_torch_that_cannot_be_removed_is_named_with_its_folders(asked, pytorch, torch):
    from TrustSegModule.app.dependencies import DependencyError

    (torch / "torch-99.0.dist-info" / "RECORD").unlink()
    asked.answer("Ok")
    with pytest.raises(DependencyError, match="quit Slicer, delete") as caught:
        install()
    assert str(torch / "torch") in str(caught.value)
    assert "no RECORD file" in caught.value.details


def test_missing_pytorch_extension_is_explained(asked, pip, torch):
    from TrustSegModule.app.dependencies import DependencyError

    remove(torch, "torch", "safetensors")
    with pytest.raises(DependencyError, match="Extensions Manager"):
        install()
    assert not asked.shown
    assert not pip.installed


def test_a_failing_pip_gives_one_line_and_its_log(asked, pip, torch):
    from TrustSegModule.app.dependencies import DependencyError

    remove(torch, "scipy")
    pip.fails_with = subprocess.CalledProcessError(1, "pip install", output="No matching distribution")
    asked.answer("Ok")
    with pytest.raises(DependencyError, match=r"^scipy>=1\.12 could not be installed") as caught:
        install()
    assert "\n" not in str(caught.value)
    assert "No matching distribution" in caught.value.details


@pytest.mark.parametrize("error", [ImportError("DLL load failed"), OSError("[WinError 206] too long")])
def test_a_torch_that_does_not_import_gives_the_reason(asked, pytorch, torch, error, monkeypatch):
    from TrustSegModule.app.dependencies import DependencyError

    remove(torch, "torch")
    monkeypatch.setattr(pytorch, "installTorch", stopped_after(error))
    asked.answer("Ok")
    with pytest.raises(DependencyError, match="PyTorch could not be installed") as caught:
        install()
    assert str(error) in caught.value.details


def test_a_pip_that_installs_nothing_is_noticed(asked, pip, torch):
    from TrustSegModule.app.dependencies import DependencyError

    remove(torch, "scipy")
    pip.does_nothing = True
    asked.answer("Ok")
    with pytest.raises(DependencyError, match="still cannot be used"):
        install()


def test_what_slicer_is_built_with_is_never_installed(asked, pip, torch):
    from TrustSegModule.app.dependencies import DependencyError

    remove(torch, "numpy")
    put_package(torch, "numpy", "1.24.0")
    with pytest.raises(DependencyError, match=r"too old for TrustSeg, which needs numpy>=1\.26"):
        install()
    assert not pip.installed


def test_nothing_is_installed_while_slicer_is_testing(asked, pip, pytorch, torch, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "testing", True)
    # Versions of Slicer differ in what it answers while testing.
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *texts, **settings: True)
    remove(torch, "torch", "scipy")
    assert install() is False
    assert not pip.installed
    assert not pytorch.calls


def test_an_old_slicer_without_packaging_uses_its_pip(asked, torch, monkeypatch):
    import slicer

    old = OldUtil(torch)
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", old.pip_install)
    remove(torch, "scipy")
    asked.answer("Ok")
    assert install() is True
    assert old.installed == ["scipy>=1.12"]


@pytest.mark.parametrize(("button", "restarts"), [("Yes", 1), ("No", 0)])
def test_a_replaced_torch_that_was_in_use_offers_a_restart(
    asked, pytorch, torch, slicer_application, monkeypatch, button, restarts
):
    remove(torch, "torch")
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    asked.answer("Ok")
    asked.answer(button, to="restart")
    assert install() is True
    assert slicer_application.restarts == restarts


def test_an_old_slicer_is_restarted_for_packages_in_use(asked, torch, slicer_application, monkeypatch):
    import slicer

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", OldUtil(torch).pip_install)
    monkeypatch.setitem(sys.modules, "jsonschema", types.ModuleType("jsonschema"))
    remove(torch, "jsonschema")
    asked.answer("Ok")
    asked.answer("Yes", to="restart")
    assert install() is True
    assert slicer_application.restarts == 1
