"""Which widget may show which type of setting: the application's own list, and its refusals."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

import shiboken6
from PySide6 import QtWidgets
from qt_stand_ins.ctk_widgets import ctkSliderWidget
from qt_stand_ins.mrml_widgets import qMRMLNodeComboBox

if TYPE_CHECKING:
    from qt_stand_ins.parameter_node import Parameter

NUMBERS = (QtWidgets.QSlider, QtWidgets.QSpinBox, QtWidgets.QDoubleSpinBox, ctkSliderWidget)


class Connector:
    """Reads and writes one widget, and says when a person has changed it."""

    def __init__(self, widget, signal, read: Callable[[], object], write: Callable[[object], None]):
        self._widget, self._signal, self.read, self.write = widget, signal, read, write
        self._slot: Callable | None = None

    @property
    def alive(self) -> bool:
        """Whether Qt has not yet deleted the widget."""
        return shiboken6.isValid(self._widget)

    def connect(self, changed: Callable[[], None]) -> None:
        self._slot = lambda *arguments: changed()
        self._signal.connect(self._slot)

    def disconnect(self) -> None:
        if self._slot is not None:
            self._signal.disconnect(self._slot)
            self._slot = None


def connector(widget: QtWidgets.QWidget, parameter: Parameter) -> Connector:
    """Tie a widget to a setting.

    Raises
    ------
    RuntimeError
        When the application has no connector for this pair.
    """
    kind = type(widget)
    for accepts, make in _CONNECTORS:
        if accepts(kind, parameter):
            return make(widget, parameter)
    raise RuntimeError(f"{kind.__name__} cannot show the {parameter.type.__name__} {parameter.name}")


def _checked(widget, parameter: Parameter) -> Connector:
    widget.setCheckable(True)
    return Connector(widget, widget.toggled, lambda: widget.property("checked"), widget.setChecked)


def _number(widget, parameter: Parameter) -> Connector:
    low = [each.minimum for each in parameter.annotations if hasattr(each, "minimum")]
    high = [each.maximum for each in parameter.annotations if hasattr(each, "maximum")]
    if isinstance(widget, (QtWidgets.QSlider, ctkSliderWidget)) and not (low and high):
        raise RuntimeError(f"a slider needs bounds: annotate {parameter.name} with WithinRange")
    whole = parameter.type is int
    unbounded = 2**31 - 1 if whole else float("inf")
    set_range = widget._set_bounds if isinstance(widget, ctkSliderWidget) else widget.setRange
    set_range(*(low or [-unbounded])[:1], *(high or [unbounded])[:1])
    return Connector(
        widget, widget.valueChanged, lambda: parameter.type(widget.property("value")), widget.setValue
    )


def _choice(widget, parameter: Parameter) -> Connector:
    if issubclass(parameter.type, enum.Enum):
        values = list(parameter.type)
        labels = [each.label() if hasattr(each, "label") else each.name for each in values]
    else:
        values = [value for each in parameter.annotations for value in getattr(each, "choices", ())]
        labels = [str(value) for value in values]
        if not values:
            raise RuntimeError(f"a QComboBox needs the annotation Choice at {parameter.name}")
    widget.clear()
    widget.addItems(labels)
    return Connector(
        widget,
        widget.currentIndexChanged,
        lambda: values[widget.property("currentIndex")],
        lambda value: widget.setCurrentIndex(values.index(value)),
    )


def _text(widget, parameter: Parameter) -> Connector:
    return Connector(widget, widget.textChanged, lambda: widget.property("text"), widget.setText)


def _node(widget, parameter: Parameter) -> Connector:
    widget.nodeTypes = [parameter.type.__name__]
    return Connector(widget, widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


# As the application: the class of the widget must be this one, not one derived from it.
_CONNECTORS = (
    (lambda kind, p: kind in (QtWidgets.QCheckBox, QtWidgets.QPushButton) and p.type is bool, _checked),
    (lambda kind, p: kind in NUMBERS[:2] and p.type is int, _number),
    (lambda kind, p: kind in NUMBERS[2:] and p.type is float, _number),
    (lambda kind, p: kind is QtWidgets.QComboBox and not p.is_node, _choice),
    (lambda kind, p: kind is QtWidgets.QLineEdit and p.type is str, _text),
    (lambda kind, p: kind is qMRMLNodeComboBox and p.is_node, _node),
)
