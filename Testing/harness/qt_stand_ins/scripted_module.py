"""Stand-ins for `slicer.ScriptedLoadableModule`: what a scripted module's four classes inherit."""

from __future__ import annotations

import logging
import unittest
from pathlib import Path

import slicer


class ModuleParent:
    """What Slicer lets a module say of itself; another name is a mistake."""

    __slots__ = (
        *("acknowledgementText", "associatedNodeTypes", "categories", "contributors", "dependencies"),
        *("helpText", "hidden", "icon", "index", "name", "path", "title"),
    )

    def __init__(self, path: Path):
        self.path, self.name = str(path), path.stem


class ScriptedLoadableModule:
    def __init__(self, parent: ModuleParent):
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title = parent.helpText = parent.acknowledgementText = ""
        parent.categories, parent.dependencies, parent.contributors = [], [], []

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return f'<p><a href="{docPage or self.moduleName}">online documentation</a></p>'


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        if parent is None:
            raise NotImplementedError("open the panel with qt_stand_ins.panel.open_panel")
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent, self.developerMode = parent, False
        layout = parent.layout
        self.layout = layout() if callable(layout) else layout

    def resourcePath(self, filename: str) -> str:
        module = Path(slicer.util.modulePath(self.moduleName))
        return str(module.parent / "Resources" / filename)

    def setup(self) -> None:
        """The developer's section of the panel: there only in developer mode."""

    def cleanup(self) -> None:
        """Called before the widget is deleted."""

    def enter(self) -> None:
        """Called when the module is chosen."""

    def exit(self) -> None:
        """Called when another module is chosen."""


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The scene's one node with this module's settings; made when it is missing."""
        if not self.isSingletonParameterNode:
            raise NotImplementedError("several parameter nodes of one module")
        kind = "vtkMRMLScriptedModuleNode"
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, kind)
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        # Closing the scene empties the node and leaves it there.
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        logging.info(message)

    def runTest(self) -> None:
        """Each module's own."""
