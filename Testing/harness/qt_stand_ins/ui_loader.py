"""`qt.QUiLoader`: reads a `.ui` file as Slicer does, and refuses what nothing stands in for."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets
from qt_stand_ins.registry import FOREIGN, STAND_INS, missing
from qt_stand_ins.signals import Signal


class UiLoader(QtUiTools.QUiLoader):
    """Qt's loader knows neither the application's widgets nor signals that carry a node: both are added here.

    A class, a property or a connection of the file that is not there raises; Qt alone would go on without it.
    """

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        for kind in STAND_INS.values():
            self.registerCustomWidget(kind)

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        for element in root.iter("widget"):
            _check_class(element.get("class"))
        connections = _take_connections(root)
        content = QtCore.QBuffer()
        content.setData(ElementTree.tostring(root))
        panel = super().load(content, parent)
        if panel is None:
            raise RuntimeError(self.errorString())
        by_name = {panel.property("objectName"): panel}
        by_name.update({each.property("objectName"): each for each in panel.findChildren(QtCore.QObject)})
        for element in root.iter("widget"):
            _check_properties(element, by_name[element.get("name")])
        for connection in connections:
            _connect(connection, by_name)
        return panel


def _check_class(name: str) -> None:
    if name not in STAND_INS and (name.startswith(FOREIGN) or not hasattr(QtWidgets, name)):
        raise missing(name)


def _check_properties(element: ElementTree.Element, widget: QtWidgets.QWidget) -> None:
    known = widget.metaObject()
    for each in element.findall("property"):
        name = each.get("name")
        if each.get("stdset") != "0" and known.indexOfProperty(name) < 0:
            raise AttributeError(f"{element.get('class')} {element.get('name')} has no property {name}")


def _take_connections(root: ElementTree.Element) -> list[dict[str, str]]:
    block = root.find("connections")
    if block is None:
        return []
    root.remove(block)
    return [{part.tag: part.text for part in each} for each in block.findall("connection")]


def _connect(connection: dict[str, str], by_name: dict[str, QtCore.QObject]) -> None:
    ends = [(by_name[connection[end]], connection[what]) for end, what in _ENDS]
    signal, slot = (getattr(widget, text.partition("(")[0], None) for widget, text in ends)
    if not isinstance(signal, (Signal, QtCore.SignalInstance)) or not callable(slot):
        raise AttributeError(f"the .ui file connects what is not there: {connection}")
    signal.connect(slot)


_ENDS = (("sender", "signal"), ("receiver", "slot"))
