"""The module `qt`: all of PySide6 in one place, written as in PythonQt.

PythonQt shows Qt's properties as attributes (`button.text = "x"`) and keeps their setters. PySide6 does the
first module by module (`write_properties_in`), and then hides the second: they are put back here. What cannot
be put back is the string form `widget.connect("clicked()", f)`: a test of the sources forbids it.
`property("text")` works in both ways of writing; the stand-ins use that.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from shibokensupport import feature

PLAIN, PROPERTIES = 0, 0x02
_PATCH = """
def patch(QObject, attributes, setters):
    for kind in {kind for kind, _, _ in setters}:
        kind.metaObject             # a first look switches PySide6 to this module's way of writing
    QObject.metaObject
    for name, value in attributes.items():
        setattr(QObject, name, value)
    for kind, name, method in setters:
        setattr(kind, name, method)
"""


def write_properties_in(*modules: str) -> None:
    """Let the code of these modules write `button.text` for `button.text()`.

    Parameters
    ----------
    *modules : str
        Names as in `__name__`; a module need not be imported yet.
    """
    for name in modules:
        feature.set_selection(PROPERTIES, name)


@contextmanager
def torch_out_of_sight() -> Iterator[None]:
    """Hide modules of torch that fail to be inspected while PySide6 takes its first look at all of them."""
    hidden = {name: sys.modules.pop(name) for name in ("torch.classes", "torch.ops") if name in sys.modules}
    try:
        yield
    finally:
        sys.modules.update(hidden)


def namespace() -> types.ModuleType:
    """Make the module `qt`."""
    qt = types.ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in dir(part):
            if not name.startswith("_"):
                setattr(qt, name, getattr(part, name))
    # PythonQt has neither, so that neither must be used.
    for name in ("Signal", "Slot", "Property"):
        delattr(qt, name)
    return qt


def add_what_python_qt_has() -> None:
    """Give every QObject `name` and `className()`, and its `setX()` back where properties are written."""
    read, write = QtCore.QObject.property, QtCore.QObject.setProperty
    name = property(lambda self: read(self, "objectName"), lambda self, text: write(self, "objectName", text))
    attributes = {"name": name, "className": lambda self: type(self).__name__}
    # Collected while they are seen: before the properties hide them.
    hidden = _setters()
    for way, put_back in ((PLAIN, []), (PROPERTIES, hidden)):
        module = types.ModuleType(f"_patched_{way}")
        feature.set_selection(way, module.__name__)
        exec(compile(_PATCH, module.__name__, "exec"), module.__dict__)
        module.patch(QtCore.QObject, attributes, put_back)


def _setters() -> list[tuple[type, str, object]]:
    found = []
    for kind in _qt_classes():
        # PySide6 fills a class when something of it is first asked for.
        _ = kind.metaObject
        methods = {n: m for n, m in vars(kind).items() if isinstance(m, types.MethodDescriptorType)}
        found += [(kind, n, _method(m)) for n, m in methods.items() if n[:3] == "set" and n[3:4].isupper()]
    return found


def _qt_classes() -> list[type]:
    # By `dir`: PySide6 puts a class into its module when it is first asked for.
    values = [getattr(part, name) for part in (QtCore, QtGui, QtWidgets) for name in dir(part)]
    return [each for each in values if isinstance(each, type) and issubclass(each, QtCore.QObject)]


def _method(method):
    return lambda self, *arguments: method(self, *arguments)
