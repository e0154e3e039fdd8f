"""Stand-ins for widgets of CTK, with the properties and signals that CTK documents."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt
from qt_stand_ins.registry import setters, stand_in, stored

HEADER = 22


@stand_in
@setters("text", "collapsed", "checked")
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section; collapsed, its contents are hidden."""

    contentsCollapsed = QtCore.Signal(bool)
    toggled = QtCore.Signal(bool)

    def __init__(self, *arguments):
        texts = [each for each in arguments if isinstance(each, str)]
        super().__init__(*[each for each in arguments if isinstance(each, QtWidgets.QWidget)])
        self._collapsed, self._text = False, "".join(texts)
        self._hidden_by_us: list[QtWidgets.QWidget] = []
        self.setContentsMargins(2, HEADER, 2, 2)

    text = stored(str, "text", "", "update")

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        if collapsed:
            children = self.findChildren(QtWidgets.QWidget, options=Qt.FindDirectChildrenOnly)
            self._hidden_by_us = [child for child in children if not child.isHidden()]
        for child in self._hidden_by_us:
            child.setVisible(not collapsed)
        self.setMaximumHeight(HEADER + 4 if collapsed else 16777215)
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, on: self._collapse(not on))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter, header = QtGui.QPainter(self), self.property("rect")
        header.setHeight(HEADER - 2)
        palette = self.property("palette")
        painter.fillRect(header, palette.color(QtGui.QPalette.ColorRole.Button))
        painter.setPen(palette.color(QtGui.QPalette.ColorRole.ButtonText))
        mark = "\N{BLACK RIGHT-POINTING TRIANGLE}" if self._collapsed else "\N{BLACK DOWN-POINTING TRIANGLE}"
        painter.drawText(header.adjusted(6, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, f"{mark}  {self.text}")
        painter.end()


class _Bounded(QtWidgets.QWidget):
    """A number between two bounds."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._value, self._minimum, self._maximum = 0.0, 0.0, 99.0

    def _show(self) -> None:
        """Draw what has changed."""

    def _set_value(self, value: float) -> None:
        value = min(max(float(value), self._minimum), self._maximum)
        changed, self._value = value != self._value, value
        self._show()
        if changed:
            self.valueChanged.emit(value)

    def _set_bounds(self, minimum: float, maximum: float) -> None:
        self._minimum, self._maximum = float(minimum), float(maximum)
        self._set_value(self._value)

    value = Property(float, lambda self: self._value, _set_value)
    minimum = Property(
        float, lambda self: self._minimum, lambda self, low: self._set_bounds(low, max(low, self._maximum))
    )
    maximum = Property(
        float, lambda self: self._maximum, lambda self, high: self._set_bounds(min(high, self._minimum), high)
    )
    singleStep = stored(float, "singleStep", 1.0)
    pageStep = stored(float, "pageStep", 10.0)
    decimals = stored(int, "decimals", 2, "_show")
    suffix = stored(str, "suffix", "", "_show")
    prefix = stored(str, "prefix", "", "_show")


@stand_in
@setters("value", "decimals", "spinBoxVisible")
class ctkSliderWidget(_Bounded):
    """A slider and a spin box side by side, to be pictured; moved through `value`.

    As in Slicer's Python, only the slots of CTK's header can be called; all else is written as a property.
    """

    tracking = stored(bool, "tracking", True)
    spinBoxVisible = stored(bool, "spinBoxVisible", True, "_show")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, 1000)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._slider.valueChanged.connect(lambda step: self._set_value(self._at(step)))
        self._box.valueChanged.connect(self._set_value)
        self._show()

    def _at(self, step: int) -> float:
        return self._minimum + (self._maximum - self._minimum) * step / 1000

    def _show(self) -> None:
        span = (self._maximum - self._minimum) or 1.0
        with QtCore.QSignalBlocker(self._slider), QtCore.QSignalBlocker(self._box):
            self._box.setDecimals(self.decimals)
            self._box.setRange(self._minimum, self._maximum)
            self._box.setPrefix(self.prefix)
            self._box.setSuffix(self.suffix)
            self._box.setValue(self._value)
            self._box.setVisible(self.spinBoxVisible)
            self._slider.setValue(round(1000 * (self._value - self._minimum) / span))


@stand_in
class ctkComboBox(QtWidgets.QComboBox):
    defaultText = stored(str, "defaultText", "")


@stand_in
class ctkCheckBox(QtWidgets.QCheckBox):
    pass


@stand_in
@setters("currentPath")
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path; no file dialog opens.

    Attributes
    ----------
    history : list of str
        Paths that were to be offered again.
    """

    Dirs = 0x001

    currentPathChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit(self)
        self.history: list[str] = []
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        browse = QtWidgets.QToolButton(self)
        browse.setText("...")
        layout.addWidget(browse)
        self._line.textChanged.connect(self.currentPathChanged)

    currentPath = Property(
        str, lambda self: self._line.property("text"), lambda self, path: self._line.setText(path)
    )
    settingKey = stored(str, "settingKey", "")
    nameFilters = stored("QStringList", "nameFilters", ())
    filters = stored(int, "filters", 0)

    def addCurrentPathToHistory(self) -> None:
        self.history.append(self.currentPath)
