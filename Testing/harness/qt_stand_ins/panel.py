"""Opens the panel of a scripted module, acts on it as a user would, and takes its picture."""

from __future__ import annotations

import contextlib
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import slicer
from PySide6 import QtCore, QtGui, QtTest, QtWidgets
from qt_stand_ins.appearance import set_appearance
from qt_stand_ins.dialogs import dialogs
from qt_stand_ins.qt_namespace import write_properties_in
from qt_stand_ins.scripted_module import ModuleParent


@dataclass
class Panel:
    """An open panel.

    Attributes
    ----------
    module : module
        The Python module that was loaded.
    parent : ModuleParent
        Title, category, help and so on.
    widget : ScriptedLoadableModuleWidget
        The module's own widget class; its `.ui` has the widgets of the `.ui` file.
    window : qMRMLWidget
        What the panel stands in.
    raised : list of str
        Exceptions that Qt or VTK swallowed: in the application, tracebacks in the console.
    """

    module: types.ModuleType
    parent: ModuleParent
    widget: object
    window: QtWidgets.QWidget
    raised: list[str] = field(default_factory=list)

    @property
    def ui(self) -> object:
        return self.widget.ui

    def grab(self, path: Path | None = None, width: int = 420) -> np.ndarray:
        """Draw the panel and return its pixels, (H, W, 3) uint8; also as a PNG file."""
        self.window.resize(width, max(self.window.property("sizeHint").height(), 100))
        self.window.show()
        slicer.app.processEvents()
        picture = self.window.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
        if path is not None and not picture.save(str(path)):
            raise OSError(f"{path}: the picture could not be written")
        rows = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
        return rows[:, : 3 * picture.width()].reshape(picture.height(), picture.width(), 3).copy()

    def press(self, key: str) -> None:
        """Press a key such as `"U"` or `"Ctrl+Z"`, with the main window in front."""
        window = slicer.app.main_window
        window.show()
        window.activateWindow()
        slicer.app.processEvents()
        QtTest.QTest.keySequence(window, QtGui.QKeySequence(key))
        slicer.app.processEvents()


WAIT_SECONDS = 300.0
"""Far more than anything takes on a loaded machine: a limit costs nothing when what is awaited comes."""


def wait_until(happened: Callable[[], bool]) -> None:
    """Let the event loop run until something has happened.

    Raises
    ------
    TimeoutError
        When it has not happened within `WAIT_SECONDS`.
    """
    end = time.monotonic() + WAIT_SECONDS
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"still waiting after {WAIT_SECONDS} s")
        slicer.app.processEvents()
        time.sleep(0.002)


def load_module(path: Path) -> types.ModuleType:
    """Load a scripted module as Slicer does: its own folder, and nothing else, is added to `sys.path`."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    write_properties_in(path.stem)
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def open_panel(path: Path, appearance: str = "light") -> Iterator[Panel]:
    """Open the panel of a scripted module, as when a person chooses the module; close it as Slicer does.

    Parameters
    ----------
    path : Path
        The module's main file, such as `TrustSeg/TrustSeg.py`.
    appearance : str
        `"light"` or `"dark"`.

    Raises
    ------
    AssertionError
        At the end, when Qt or VTK swallowed an exception, or when an answer was for a dialog that never came.
    """
    set_appearance(appearance)
    dialogs.clear()
    with _swallowed_exceptions() as raised, contextlib.ExitStack() as closing:
        module = load_module(path)
        parent = ModuleParent(path)
        getattr(module, path.stem)(parent)
        slicer.modules.add(path.stem, path)
        window = _window()
        closing.callback(_delete, window)
        closing.callback(_forget_connections)
        widget = getattr(module, f"{path.stem}Widget")(window)
        closing.callback(_stop_observing, widget)
        closing.callback(_take_keys_back)
        widget.setup()
        widget.enter()
        try:
            yield Panel(module, parent, widget, window, raised)
        finally:
            widget.exit()
            widget.cleanup()
    assert not raised, "\n".join(raised)
    assert not dialogs.unused, f"no dialog came for {dialogs.unused}"


def _forget_connections() -> None:
    """The application of the next test has never started, and knows nothing of this panel."""
    slicer.app.startupCompleted.forget()
    slicer.app.aboutToQuit.forget()


def _stop_observing(widget: object) -> None:
    """A panel whose `setup` failed must not spoil the next test."""
    if isinstance(widget, slicer.util.VTKObservationMixin):
        widget.removeObservers()


def _take_keys_back() -> None:
    """Two shortcuts of one key in the main window, and neither is heard."""
    if slicer.app.main_window is not None:
        for shortcut in slicer.app.main_window.findChildren(QtGui.QShortcut):
            shortcut.setParent(None)
            shortcut.deleteLater()


def _window() -> QtWidgets.QWidget:
    window = slicer.qMRMLWidget()
    QtWidgets.QVBoxLayout(window)
    window.setMRMLScene(slicer.mrmlScene)
    return window


def _delete(window: QtWidgets.QWidget) -> None:
    window.close()
    window.deleteLater()
    # processEvents alone leaves what is to be deleted for the next turn of the event loop.
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    slicer.app.processEvents()


@contextlib.contextmanager
def _swallowed_exceptions() -> Iterator[list[str]]:
    """Collect what is raised in slots and observers: it reaches `sys.excepthook`, and never the test."""
    raised: list[str] = []
    before = sys.excepthook
    sys.excepthook = lambda kind, error, trace: raised.append(f"{kind.__name__}: {error}{_last_place(trace)}")
    try:
        yield raised
    finally:
        sys.excepthook = before


def _last_place(trace: types.TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace else ""
