"""Which classes of `ctk` and `slicer.qMRML*` have a stand-in; all others fail loudly."""

from __future__ import annotations

from collections.abc import Callable

from PySide6 import QtCore

FOREIGN = ("ctk", "qMRML", "qSlicer")
STAND_INS: dict[str, type] = {}


def stand_in(kind: type) -> type:
    """Class decorator: this class stands in for the application's class of the same name."""
    STAND_INS[kind.__name__] = kind
    return kind


def stored(kind: type | str, name: str, default: object, changed: str | None = None) -> QtCore.Property:
    """A Qt property that keeps what it is given, and calls the method `changed` after a change.

    Parameters
    ----------
    kind : type or str
        The property's type as Qt spells it.
    name : str
        The property's name.
    default : object
        Its value in a new widget.
    changed : str, optional
        Name of a method without arguments.
    """
    place = f"_{name}"

    def read(self):
        return self.__dict__.get(place, default)

    def write(self, value):
        if value != read(self):
            self.__dict__[place] = value
            if changed:
                getattr(self, changed)()

    return QtCore.Property(kind, read, write)


def setters(*names: str) -> Callable[[type], type]:
    """Class decorator: `setX(value)` beside the property `x`, as Qt has both."""

    def add(kind: type) -> type:
        for name in names:
            setattr(kind, f"set{name[0].upper()}{name[1:]}", _setter(name))
        return kind

    return add


def _setter(name: str) -> Callable:
    def write(self, value) -> None:
        setattr(self, name, value)

    return write


def missing(name: str) -> NotImplementedError:
    """The error for a class of the application that nothing stands in for."""
    return NotImplementedError(f"no stand-in for {name}: write one in Testing/harness/qt_stand_ins")


def foreign_attribute(prefixes: tuple[str, ...]) -> Callable[[str], type]:
    """A module's `__getattr__`: unknown classes can be named and compared with, never made."""
    known: dict[str, type] = {}

    def look_up(name: str) -> type:
        if not name.startswith(prefixes):
            raise AttributeError(name)
        if name not in known:
            known[name] = type(name, (), {"__init__": _refuse})
        return known[name]

    return look_up


def _refuse(self, *arguments, **settings) -> None:
    raise missing(type(self).__name__)
