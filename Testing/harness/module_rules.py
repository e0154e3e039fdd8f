"""What the code of the Slicer module must not do, because it fails only in the application, or only for some.

Each rule is a function from the tree of a file to its faults, `(line, what)`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

Fault = tuple[int, str]
Rule = Callable[[ast.Module], Iterator[Fault]]

FILE_SCOPE = {"slicer", "vtk", "qt", "ctk", "numpy", "SimpleITK", "TrustSegModule", *sys.stdlib_module_names}
OF_SLICER = re.compile(
    r"(vtk|qMRML|qSlicer)\w+|util|app|modules|mrmlScene|packaging|i18n|ScriptedLoadableModule|parameterNodeWrapper"
)
APPLICATION = {"app", "modules", "mrmlScene"}
# The functions of slicer.util that need no application.
PLAIN_UTIL = re.compile(
    r"arrayFrom(Volume|VTKMatrix|ModelPoints|ModelPointData)\w*|updateVolumeFromArray|NodeModify|toBool"
    r"|VTKObservationMixin|vtkMatrixFromArray|update(VTKMatrix|Table)FromArray"
)
VISIBLE_PROPERTIES = {
    *("text", "toolTip", "windowTitle", "title", "placeholderText", "statusTip", "whatsThis", "labelText"),
    *("detailedText", "informativeText", "helpText", "acknowledgementText", "format"),
}
VISIBLE_CALLS = {
    *("setText", "setToolTip", "setWindowTitle", "setTitle", "setPlaceholderText", "setStatusTip"),
    *("setWhatsThis", "setLabelText", "setDetailedText", "setInformativeText", "setHorizontalHeaderLabels"),
    *("setVerticalHeaderLabels", "setFormat", "SetTitleText", "addItem", "addItems", "insertItem"),
    *("setItemText", "addAction", "addTab", "showStatusMessage", "showMessage", "delayDisplay"),
    *("messageBox", "infoDisplay", "warningDisplay", "errorDisplay", "confirmOkCancelDisplay"),
    *("confirmYesNoDisplay", "confirmRetryCloseDisplay", "tryWithErrorDisplay", "createProgressDialog"),
    *("QLabel", "QPushButton", "QCheckBox", "QAction", "QGroupBox", "QTableWidgetItem", "SceneError"),
    "DependencyError",
}
TRANSLATES = {"_", "tr", "translate"}


def unknown_names_of_slicer(tree: ast.Module) -> Iterator[Fault]:
    """`slicer.arrayFromVolume` works in the tests' package and nowhere else: it is in `slicer.util`."""
    for line, name in _of_slicer(tree):
        if not OF_SLICER.fullmatch(name):
            yield line, f"slicer.{name} is not in the application"


def string_connections(tree: ast.Module) -> Iterator[Fault]:
    """`button.connect("clicked()", f)`: with `button.clicked.connect(f)` a wrong name is an error at once."""
    for call in _calls(tree):
        if _name(call) in {"connect", "disconnect"} and call.args and _is_text(call.args[0]):
            yield call.lineno, "connects by a string"


def early_imports(tree: ast.Module) -> Iterator[Fault]:
    """A file-level import that is not there keeps the module from Slicer's list; the catalog refuses it."""
    for node in _at_file_scope(tree):
        for module in _imported(node):
            # The contract needs the standard library only, and `TrustSeg.py` makes it importable first.
            if module.partition(".")[0] not in FILE_SCOPE and module != "TrustSegLib.contract":
                yield node.lineno, f"imports {module} when Slicer starts"


def bare_excepts(tree: ast.Module) -> Iterator[Fault]:
    """They hide the fault, and Slicer's exit as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "catches everything"


def untranslated_texts(tree: ast.Module) -> Iterator[Fault]:
    """What a person reads goes through `_()`; an f-string inside it can be translated by nobody."""
    for line, text in _visible(tree):
        for each in _literals(text):
            yield line, f"shows {ast.unparse(each)} without _()"
    for call in _calls(tree):
        if _name(call) in TRANSLATES and any(isinstance(each, ast.JoinedStr) for each in call.args):
            yield call.lineno, "translates an f-string: use _('... {x}').format(x=x)"


def no_subclasses_of_qt(tree: ast.Module) -> Iterator[Fault]:
    """PythonQt has neither `qt.Signal` nor `qt.Slot`, and its classes are not made to be derived from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("qt.") for base in node.bases):
            yield node.lineno, f"{node.name} derives from a class of Qt"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"qt.Signal", "qt.Slot", "qt.Property"}:
            yield node.lineno, f"{ast.unparse(node)} is not in PythonQt"


def needs_the_application(tree: ast.Module) -> Iterator[Fault]:
    """The MRML side is given its scene and nodes, so that it runs without the application."""
    for node in ast.walk(tree):
        for module in _imported(node):
            if module.partition(".")[0] in {"qt", "ctk"}:
                yield node.lineno, f"imports {module}"
        of_util = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "slicer.util"
        if of_util and not PLAIN_UTIL.fullmatch(node.attr):
            yield node.lineno, f"slicer.util.{node.attr} needs the application"
    for line, name in _of_slicer(tree):
        if name in APPLICATION:
            yield line, f"slicer.{name} belongs to the application"


EVERYWHERE: tuple[Rule, ...] = (
    *(unknown_names_of_slicer, string_connections, early_imports, bare_excepts, untranslated_texts),
    no_subclasses_of_qt,
)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    """The last part of what is called: `self.ui.label.setText` is `setText`."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _of_slicer(tree: ast.Module) -> Iterator[Fault]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "slicer":
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "slicer":
            yield from ((node.lineno, alias.name) for alias in node.names)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def _at_file_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """All that runs when the file is imported: not functions' insides, nor what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _at_file_scope(node)


def _visible(tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    """The expressions that end up in front of a person."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
            if targets & VISIBLE_PROPERTIES:
                yield node.lineno, node.value
        elif isinstance(node, ast.Call) and _name(node) in VISIBLE_CALLS:
            yield from ((node.lineno, argument) for argument in node.args)
            named = (each.value for each in node.keywords if each.arg in VISIBLE_PROPERTIES)
            yield from ((node.lineno, value) for value in named)


def _literals(text: ast.expr) -> Iterator[ast.expr]:
    """The literal words of an expression that no translation is applied to."""
    if isinstance(text, ast.Call):
        # `"...".format(x)`; any other call, `_` among them, gives what it gives.
        if isinstance(text.func, ast.Attribute) and text.func.attr in {"format", "join"}:
            yield from _literals(text.func.value)
    elif isinstance(text, (ast.Constant, ast.JoinedStr)):
        if _has_words(text):
            yield text
    elif isinstance(text, (ast.BinOp, ast.IfExp, ast.BoolOp, ast.List, ast.Tuple)):
        for part in ast.iter_child_nodes(text):
            if isinstance(part, ast.expr) and part is not getattr(text, "test", None):
                yield from _literals(part)


def _has_words(text: ast.Constant | ast.JoinedStr) -> bool:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    words = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant) and _is_text(part))
    return bool(re.search(r"[^\W\d_]", re.sub(r"<[^>]*>|%[sdif]|&\w+;", "", words)))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
