"""Puts the stand-ins where a scripted module looks for the application: `qt`, `ctk`, `slicer.app` ..."""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
from PySide6 import QtCore, QtWidgets
from qt_stand_ins import ctk_widgets, mrml_widgets, parameter_node, qt_namespace, sample_data, scripted_module
from qt_stand_ins.application_object import ApplicationObject
from qt_stand_ins.dialogs import answer_instead_of_waiting
from qt_stand_ins.none_references import keep_none_alive
from qt_stand_ins.registry import STAND_INS, foreign_attribute
from qt_stand_ins.ui_loader import UiLoader
from source_tree import ROOT, files

HARNESS = ROOT / "Testing" / "harness"
PARTS = {
    "ScriptedLoadableModule": (
        scripted_module,
        (
            "ScriptedLoadableModule",
            "ScriptedLoadableModuleWidget",
            "ScriptedLoadableModuleLogic",
            "ScriptedLoadableModuleTest",
        ),
    ),
    "parameterNodeWrapper": (
        parameter_node,
        ("parameterNodeWrapper", "Choice", "Default", "Maximum", "Minimum", "WithinRange"),
    ),
}


class Modules(types.ModuleType):
    """`slicer.modules`: a module that is not installed raises AttributeError, as in the application."""

    def add(self, name: str, path: Path | None = None, logic=None) -> types.SimpleNamespace:
        """Make a module known, as `slicer.modules.<name in lower case>`."""
        path_text = str(path) if path else ""
        module = types.SimpleNamespace(name=name, title=name, path=path_text, logic=lambda: logic)
        setattr(self, name.lower(), module)
        return module


def install(application) -> ApplicationObject:
    """Complete an `application.Application` by the Qt side, once per process.

    Parameters
    ----------
    application : application.Application
        Scene, logics and views.

    Returns
    -------
    ApplicationObject
        Also to be found as `slicer.app`.
    """
    if isinstance(getattr(slicer, "app", None), ApplicationObject):
        return slicer.app
    keep_none_alive()
    qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    _keep_settings_away_from_the_users_own()
    answer_instead_of_waiting()
    with qt_namespace.torch_out_of_sight():
        qt_namespace.add_what_python_qt_has()
    sys.modules["qt"] = qt_namespace.namespace()
    sys.modules["qt"].QUiLoader = UiLoader
    _install_widgets()
    _install_slicer(application, qt_application)
    for name, (source, names) in PARTS.items():
        _install_part(name, {each: getattr(source, each) for each in names})
    qt_namespace.write_properties_in("slicer.util", *_names("TrustSeg", ROOT / "TrustSeg"))
    # The tests write as the module does: PySide6 mixes up two ways of writing that meet in one widget.
    qt_namespace.write_properties_in(*_names("Testing/slicer", ROOT), *_names("Testing/harness", HARNESS))
    return slicer.app


def _names(folder: str, source_root: Path) -> list[str]:
    """The `__name__` of each file of a folder, imported from `source_root`."""
    paths = [path.relative_to(source_root).with_suffix("") for path in files(folder, "*.py")]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def _keep_settings_away_from_the_users_own() -> None:
    folder = tempfile.mkdtemp(prefix="slicer-settings-")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    for scope in QtCore.QSettings.Scope:
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, folder)
    QtCore.QCoreApplication.setOrganizationName("NA-MIC")
    QtCore.QCoreApplication.setApplicationName("Slicer")


def _install_widgets() -> None:
    ctk = types.ModuleType("ctk")
    for name, kind in STAND_INS.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, kind)
    ctk.__getattr__ = foreign_attribute(("ctk",))
    slicer.__getattr__ = foreign_attribute(("qMRML", "qSlicer"))
    sys.modules["ctk"] = ctk


def _install_slicer(application, qt_application: QtWidgets.QApplication) -> None:
    slicer.mrmlScene = application.scene
    slicer.app = ApplicationObject(application, qt_application)
    slicer.modules = sys.modules["slicer.modules"] = Modules("slicer.modules")
    for name, logic in application.logics.items():
        slicer.modules.add(name, logic=logic)
    slicer.modules.add("SampleData")
    slicer.modules.sampleDataSources = {}
    sys.modules["SampleData"] = sample_data


def _install_part(name: str, contents: dict[str, object]) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__dict__.update(contents)
    module.__all__ = list(contents)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)


__all__ = ["ctk_widgets", "install", "mrml_widgets"]
