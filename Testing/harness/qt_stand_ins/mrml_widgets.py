"""Stand-ins for the widgets that follow the scene."""

from __future__ import annotations

import weakref

import shiboken6
from PySide6 import QtCore, QtWidgets
from qt_stand_ins.registry import setters, stand_in, stored
from qt_stand_ins.signals import Signal


@stand_in
class qMRMLWidget(QtWidgets.QWidget):
    """Passes the scene on to those that a `.ui` file connects, and to no other."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene = None
        self.mrmlSceneChanged = Signal()

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


@stand_in
class qSlicerWidget(qMRMLWidget):
    pass


@stand_in
@setters("nodeTypes", "noneEnabled", "noneDisplay", "addEnabled", "removeEnabled", "renameEnabled")
@setters("showHidden", "showChildNodeTypes", "editEnabled", "selectNodeUponCreation", "baseName")
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of some classes; the list follows the scene.

    As in the application: a removed node is deselected; without `noneEnabled` the first node is taken.
    """

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene, self._id, self._awaited = None, "", ""
        self._observers: list[int] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self.currentNodeChanged, self.currentNodeIDChanged = Signal(), Signal()
        self.nodeAddedByUser = Signal()
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizeAdjustPolicy(
            QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.activated.connect(lambda index: self._select(self._combo.itemData(index)))

    nodeTypes = stored("QStringList", "nodeTypes", (), "_refresh")
    noneEnabled = stored(bool, "noneEnabled", False, "_refresh")
    noneDisplay = stored(str, "noneDisplay", "None", "_refresh")
    showHidden = stored(bool, "showHidden", False, "_refresh")
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, "_refresh")
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    renameEnabled = stored(bool, "renameEnabled", False)
    editEnabled = stored(bool, "editEnabled", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", False)
    baseName = stored(str, "baseName", "")
    currentNodeID = QtCore.Property(str, lambda self: self._id, lambda self, value: self._select(value))

    def setMRMLScene(self, scene) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._scene, self._observers = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent)
            self._observers = [scene.AddObserver(event, _refresher(self)) for event in events]
        self._refresh()

    def mrmlScene(self):
        return self._scene

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """Show nodes of this class only when they have this attribute."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    def currentNode(self):
        return self._scene.GetNodeByID(self._id) if self._scene and self._id else None

    def setCurrentNode(self, node) -> None:
        self._select(node.GetID() if node else "")

    def setCurrentNodeID(self, identifier: str | None) -> None:
        self._select(identifier)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int):
        return self._nodes()[index]

    def addNode(self, node_type: str | None = None):
        """What the menu's "Create new" does."""
        if not self.addEnabled:
            raise AssertionError("this selector offers no new node: addEnabled is off")
        node = self._scene.AddNewNodeByClass(node_type or self.nodeTypes[0], self.baseName)
        self.nodeAddedByUser.emit(node)
        self.setCurrentNode(node)
        return node

    def _nodes(self) -> list:
        if self._scene is None:
            return []
        found = {}
        for node_type in self.nodeTypes:
            nodes = self._scene.GetNodesByClass(node_type)
            nodes.UnRegister(None)
            each = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
            found.update({node.GetID(): node for node in each if self._shows(node, node_type)})
        return list(found.values())

    def _shows(self, node, node_type: str) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if not self.showChildNodeTypes and node.GetClassName() != node_type:
            return False
        wanted = [(name, value) for kind, name, value in self._attributes if kind == node_type]
        return all(
            node.GetAttribute(name) is not None if value is None else node.GetAttribute(name) == value
            for name, value in wanted
        )

    def _refresh(self) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        nodes = self._nodes()
        with QtCore.QSignalBlocker(self._combo):
            self._combo.clear()
            if self.noneEnabled or not nodes:
                self._combo.addItem(self.noneDisplay if self.noneEnabled else "Select a node", "")
            for node in nodes:
                self._combo.addItem(node.GetName(), node.GetID())
        first = "" if self.noneEnabled or not nodes else nodes[0].GetID()
        wanted, self._awaited = self._awaited or self._id, ""
        known = wanted in {node.GetID() for node in nodes}
        self._select(wanted if known else first)

    def _select(self, identifier: str | None) -> None:
        identifier = identifier or ""
        row = self._combo.findData(identifier)
        if row < 0 and self._scene is not None and self._scene.IsBatchProcessing():
            # As in the application: a node that the list does not know yet is chosen once it does.
            self._awaited = identifier
            return
        if row < 0:
            row, identifier = max(self._combo.findData(""), 0), self._combo.itemData(0) or ""
        with QtCore.QSignalBlocker(self._combo):
            self._combo.setCurrentIndex(row)
        if identifier != self._id:
            self._id = identifier
            self.currentNodeIDChanged.emit(identifier)
            self.currentNodeChanged.emit(self.currentNode())


def _refresher(selector: qMRMLNodeComboBox):
    """The scene must not keep a closed panel alive, and must not call a widget that Qt has deleted."""
    reference = weakref.ref(selector)

    def refresh(caller, event) -> None:
        alive = reference()
        if alive is not None and shiboken6.isValid(alive):
            alive._refresh()

    return refresh
