"""Stand-in for `slicer.parameterNodeWrapper`: typed settings in a node of the scene.

Types: nodes of MRML, `str`, `int`, `float`, `bool`, enums. The rules are the application's, also where they
surprise: `connectGui` returns None, and so nothing can be disconnected with what it returns; a value outside
its range raises.
"""

from __future__ import annotations

import enum
import typing
from dataclasses import dataclass

import slicer
import vtk
from qt_stand_ins.parameter_connectors import Connector, connector

MISSING = object()
CONNECTED: list[Wrapper] = []
"""Those whose observer VTK calls: the garbage collector would empty one that only its observer refers to."""


@dataclass(frozen=True)
class Default:
    """Annotation: the value in a new node."""

    value: object


@dataclass(frozen=True)
class WithinRange:
    """Annotation: both bounds belong to the range."""

    minimum: float
    maximum: float

    def check(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


@dataclass(frozen=True)
class Minimum:
    """Annotation: no value below."""

    minimum: float

    def check(self, value: float) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum:
    """Annotation: no value above."""

    maximum: float

    def check(self, value: float) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclass(frozen=True)
class Choice:
    """Annotation: one of these."""

    choices: tuple

    def check(self, value: object) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {self.choices}")


class Parameter:
    """One setting: how its value is written into the node, and read from it."""

    def __init__(self, name: str, hint: object, default: object):
        self.name, self.annotations = name, ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *annotations = typing.get_args(hint)
            self.annotations = tuple(annotations)
        self.type = hint
        if not isinstance(hint, type) or not issubclass(
            hint, (slicer.vtkMRMLNode, str, int, float, bool, enum.Enum)
        ):
            raise TypeError(f"parameter {name}: no stand-in for the type {hint}")
        self.is_node = issubclass(hint, slicer.vtkMRMLNode)
        stated = [each.value for each in self.annotations if isinstance(each, Default)]
        self.default = next(iter([*([] if default is MISSING else [default]), *stated]), self._natural())

    def _natural(self) -> object:
        if self.is_node:
            return None
        return next(iter(self.type)) if issubclass(self.type, enum.Enum) else self.type()

    def write(self, node, value: object) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.type):
                raise TypeError(f"{self.name} is a {self.type.__name__}, not {value.GetClassName()}")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if not isinstance(value, (int, float) if self.type is float else self.type):
            raise TypeError(f"{self.name} is a {self.type.__name__}, not {value!r}")
        for each in self.annotations:
            if hasattr(each, "check"):
                each.check(value)
        node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node) -> object:
        if self.is_node:
            return node.GetNodeReference(self.name)
        if not node.HasParameter(self.name):
            self.write(node, self.default)
        text = node.GetParameter(self.name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)

    def prepare(self, node) -> None:
        if not self.is_node and not node.HasParameter(self.name):
            self.write(node, self.default)


class Wrapper:
    """What `@parameterNodeWrapper` makes of a class: its settings are attributes."""

    parameters: typing.ClassVar[dict[str, Parameter]] = {}

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._connected: list[dict[str, Connector]] = []
        self._updating = False
        for parameter in self.parameters.values():
            parameter.prepare(parameterNode)

    def getValue(self, name: str) -> object:
        return self.parameters[name].read(self.parameterNode)

    def setValue(self, name: str, value: object) -> None:
        self.parameters[name].write(self.parameterNode, value)

    def connectGui(self, gui: object) -> None:
        """Tie each widget with a `SlicerParameterName` to that setting."""
        named = {each.property("SlicerParameterName"): each for each in vars(gui).values()}
        self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, object]) -> int:
        unknown = set(mapping) - set(self.parameters)
        if unknown:
            raise ValueError(f"no setting is called {sorted(unknown)}")
        made = {name: connector(widget, self.parameters[name]) for name, widget in mapping.items()}
        self._connected.append(made)
        for name, each in made.items():
            each.write(self.getValue(name))
            each.connect(lambda name=name, each=each: self._from_widget(name, each))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, self._modified)
        CONNECTED.append(self)
        return len(self._connected) - 1

    def disconnectGui(self, tag: int | None) -> None:
        if tag is not None:
            for each in self._connected[tag].values():
                each.disconnect()
            self._connected[tag] = {}

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying: int) -> int:
        return self.parameterNode.EndModify(was_modifying)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def _from_widget(self, name: str, each: Connector) -> None:
        if not self._updating:
            with slicer.util.NodeModify(self):
                self.setValue(name, each.read())

    def _modified(self, caller, event) -> None:
        """Follow the node, as long as there is a panel.

        The node outlives every panel. The observer stays: VTK would free it while it is being called.
        """
        if all(each.alive for made in self._connected for each in made.values()):
            self._to_widgets()

    def _to_widgets(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for made in self._connected:
                for name, each in made.items():
                    each.write(self.getValue(name))
        finally:
            self._updating = False


def parameterNodeWrapper(kind: type | None = None):
    """Class decorator, with or without parentheses."""
    if kind is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(kind, include_extras=True)
    parameters = {name: Parameter(name, hint, vars(kind).get(name, MISSING)) for name, hint in hints.items()}
    clash = set(parameters) & set(dir(Wrapper))
    if clash:
        raise ValueError(f"reserved names cannot be settings: {sorted(clash)}")
    kept = {name: value for name, value in vars(kind).items() if name not in {"__dict__", "__weakref__"}}
    accessors = {name: _accessor(name) for name in parameters}
    return type(kind.__name__, (Wrapper,), {**kept, **accessors, "parameters": parameters})


def _accessor(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))
