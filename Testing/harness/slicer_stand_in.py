"""The few parts of 3D Slicer that loading a scripted module touches, on the standard library alone.

Nothing is faked in silence: an attribute, a widget class or a scene call that is not written here raises.
"""

from __future__ import annotations

import os
import sys
import types
import unittest
import xml.etree.ElementTree as ElementTree
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

WIDGETS = {"qMRMLWidget", "QLabel"}


class Widget:
    """A widget of a `.ui` file: its class, name, string properties and children."""

    def __init__(self, element: ElementTree.Element):
        self.className, self.name = element.attrib["class"], element.attrib["name"]
        if self.className not in WIDGETS:
            raise NotImplementedError(f"no stand-in for the widget class {self.className}")
        self.texts = {p.attrib["name"]: p.findtext("string") for p in element.findall("property")}
        self.children = [Widget(child) for child in element.findall("./layout/item/widget")]
        self.scene = None

    def setMRMLScene(self, scene: Scene) -> None:
        if self.className != "qMRMLWidget":
            raise AttributeError(f"{self.className} has no setMRMLScene")
        self.scene = scene


class Layout:
    def __init__(self):
        self.widgets: list[Widget] = []

    def addWidget(self, widget: Widget) -> None:
        self.widgets.append(widget)


class Scene:
    def Clear(self) -> None:
        """Nothing is ever in this scene."""


class ModuleParent:
    """What Slicer lets a module say of itself; another name is a mistake."""

    __slots__ = (
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "path",
        "title",
    )

    def __init__(self, path: Path):
        self.path = str(path)


class ScriptedLoadableModule:
    def __init__(self, parent: ModuleParent):
        self.parent, self.moduleName = parent, type(self).__name__

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, module_path: Path):
        self.layout, self._resources = Layout(), module_path.parent / "Resources"

    def resourcePath(self, filename: str) -> str:
        return str(self._resources / filename)

    def setup(self) -> None:
        """The developer section of the panel: not there outside Slicer."""


class ScriptedLoadableModuleLogic:
    pass


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str) -> None:
        print(message)


def load_ui(path: str) -> Widget:
    return Widget(ElementTree.parse(path).getroot().find("widget"))


def child_widget_variables(widget: Widget) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{child.name: child for child in widget.children})


def install() -> None:
    """Put `slicer` and its submodules, as far as they are written here, into `sys.modules`."""
    bases = [
        ScriptedLoadableModule,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
        ScriptedLoadableModuleWidget,
    ]
    parts = {
        "util": {"loadUI": load_ui, "childWidgetVariables": child_widget_variables},
        "i18n": {"tr": lambda text: text, "translate": lambda context, text: text},
        "ScriptedLoadableModule": {base.__name__: base for base in bases},
    }
    slicer = types.ModuleType("slicer")
    slicer.mrmlScene = Scene()
    slicer.__path__ = []
    sys.modules["slicer"] = slicer
    for name, contents in parts.items():
        module = types.ModuleType(f"slicer.{name}")
        module.__dict__.update(contents)
        setattr(slicer, name, module)
        sys.modules[module.__name__] = module


def load_module(path: Path) -> types.ModuleType:
    """Load a scripted module as Slicer does: its own folder, and nothing else, is added to `sys.path`."""
    sys.path.append(str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
