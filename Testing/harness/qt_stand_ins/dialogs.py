"""Dialogs of the code under test: the test answers in advance; an unanswered one raises."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6 import QtWidgets
from qt_stand_ins.registry import stand_in, stored

BUTTONS = QtWidgets.QMessageBox.StandardButton


class UnansweredDialogError(AssertionError):
    """The code under test opened a dialog that the test knows nothing of."""


@dataclass(frozen=True)
class Shown:
    """A message box that was shown.

    Attributes
    ----------
    text, title, details : str
        What stood in it, in its title bar and under "Show Details".
    icon : str
        `"Information"`, `"Warning"`, `"Critical"`, `"Question"` or `"NoIcon"`.
    buttons : frozenset of str
        Names of the buttons, such as `"Ok"`.
    """

    text: str
    title: str
    details: str
    icon: str
    buttons: frozenset[str]


@dataclass
class Dialogs:
    """The message boxes of a test, in their order: answers put in beforehand, boxes shown so far."""

    shown: list[Shown] = field(default_factory=list)
    _answers: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, button: str, to: str = "") -> None:
        """Answer the next box that no earlier answer is for.

        Parameters
        ----------
        button : str
            `"Ok"`, `"Cancel"`, `"Yes"`, `"No"`, `"Close"`, `"Retry"`.
        to : str
            Text that the box must contain, in any case.
        """
        self._answers.append((button, to))

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Answers to which no question came."""
        return list(self._answers)

    def clear(self) -> None:
        self.shown.clear()
        self._answers.clear()

    def ask(self, box: Shown) -> BUTTONS:
        """Record the box and return the button that the test chose."""
        self.shown.append(box)
        if not self._answers:
            raise UnansweredDialogError(f"no answer to the dialog {box}")
        button, text = self._answers.pop(0)
        if text.lower() not in box.text.lower():
            raise UnansweredDialogError(f"the answer was for a dialog about {text!r}, this is {box}")
        if button not in box.buttons:
            raise UnansweredDialogError(f"the dialog has no button {button}: {box}")
        return BUTTONS[button]


dialogs = Dialogs()


@stand_in
class ctkMessageBox(QtWidgets.QMessageBox):
    """The box behind `slicer.util.messageBox` and its relatives."""

    dontShowAgainSettingsKey = stored(str, "dontShowAgainSettingsKey", "")

    def exec_(self) -> BUTTONS:
        return dialogs.ask(_read(self))


def _read(box: QtWidgets.QMessageBox) -> Shown:
    standard = box.property("standardButtons")
    buttons = frozenset(each.name for each in BUTTONS if each.value and each in standard)
    return Shown(
        text=box.property("text"),
        title=box.property("windowTitle").strip(),
        details=box.property("detailedText"),
        icon=box.property("icon").name,
        buttons=buttons or frozenset({"Ok"}),
    )


def _execute(box: QtWidgets.QDialog) -> BUTTONS:
    if isinstance(box, QtWidgets.QMessageBox):
        return dialogs.ask(_read(box))
    raise UnansweredDialogError(f"no stand-in for a modal {type(box).__name__}: it would wait for ever")


def _refuse(*arguments, **settings):
    raise UnansweredDialogError("a dialog of Qt's own: use those of slicer.util, which tests can answer")


def answer_instead_of_waiting() -> None:
    """A modal dialog of Qt would block the test for ever: all go through `dialogs`, or raise."""
    for kind in (QtWidgets.QDialog, QtWidgets.QMessageBox):
        kind.exec, kind.exec_ = _execute, _execute
    for name in ("about", "critical", "information", "question", "warning"):
        setattr(QtWidgets.QMessageBox, name, staticmethod(_refuse))
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"):
        setattr(QtWidgets.QFileDialog, name, staticmethod(_refuse))
