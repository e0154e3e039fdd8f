"""Installs the Python packages that segmenting needs into Slicer's Python: at the click, and with consent.

torch comes through the PyTorch extension, which knows the graphics card; the others through Slicer's own pip.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from slicer.i18n import tr as _

from TrustSegModule.app import host
from TrustSegModule.app.installed_packages import (
    SHIPPED,
    DependencyState,
    check,
    remains_of_torch,
    shipped_versions,
    torch_requirement,
)

# Errors of pip, of the PyTorch extension, and of importing the torch that it has just installed.
INSTALLING_FAILS_WITH = (
    *(subprocess.CalledProcessError, ImportError, OSError),
    *(RuntimeError, ValueError, AttributeError, TypeError),
)


class DependencyError(Exception):
    """Packages could not be installed; the message is one line for the user.

    Attributes
    ----------
    details : str
        Output of pip or Python; may be long, or empty.
    """

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


def install(state: DependencyState) -> bool:
    """Ask for consent and install what is not there. To be called from a click, in the main thread.

    Parameters
    ----------
    state : DependencyState
        From `check`.

    Returns
    -------
    bool
        Whether everything is ready; if not, the user declined or Slicer is testing, and nothing has changed.

    Raises
    ------
    DependencyError
        When something could not be installed.
    """
    if state.ready:
        return True
    if host.is_testing():
        logging.info("Testing: nothing is installed, and these stay as they are: %s", state)
        return False
    _refuse_to_replace_what_slicer_ships(state)
    # Before the question: the user should not consent to what is not possible.
    torch_installer = None if state.torch == "ready" else _torch_installer()
    if not host.confirm(_question(state), "\n".join(_plan(state))):
        return False
    loaded = _loaded(state)
    if torch_installer is not None:
        _install_torch(state, torch_installer)
    if state.missing and _install_others(state):
        loaded -= set(_names(state))
    _check_again()
    if loaded:
        host.offer_restart(_("Packages that were in use have been replaced. Restart Slicer now?"))
    return True


def _refuse_to_replace_what_slicer_ships(state: DependencyState) -> None:
    shipped = [line for line in state.missing if line.split(">=")[0] in SHIPPED]
    if shipped:
        message = _("This Slicer is too old for TrustSeg, which needs {packages}: install a newer Slicer.")
        raise DependencyError(message.format(packages=", ".join(shipped)))


def _torch_installer() -> object:
    installer = host.torch_installer()
    if installer is None:
        raise DependencyError(
            _(
                "TrustSeg needs PyTorch: install the extension PyTorch in the Extensions Manager, restart "
                "Slicer and try again."
            )
        )
    return installer


def _question(state: DependencyState) -> str:
    text = _("TrustSeg needs Python packages that are not in this Slicer yet: {count}. Install them now?")
    parts = [text.format(count=len(_plan(state)))]
    if state.torch == "broken":
        parts.append(_("PyTorch is only half installed: it will be removed first."))
    if state.torch != "ready":
        parts.append(_("PyTorch is a large download (0.2 to 3 GB) and may take some minutes."))
    return "\n\n".join(parts)


def _plan(state: DependencyState) -> list[str]:
    torch = [] if state.torch == "ready" else [str(torch_requirement())]
    return [*torch, *state.missing]


def _names(state: DependencyState) -> list[str]:
    return [line.split(">=")[0] for line in state.missing]


def _loaded(state: DependencyState) -> set[str]:
    """Packages to be replaced that are imported already: Slicer uses the old ones until a restart."""
    return {line.split(">=")[0] for line in _plan(state)} & set(sys.modules)


def _install_torch(state: DependencyState, installer) -> None:
    try:
        if state.torch == "broken":
            installer.uninstallTorch()
        lowest = torch_requirement().lowest
        torch = installer.installTorch(askConfirmation=False, torchVersionRequirement=f">={lowest}")
    except INSTALLING_FAILS_WITH as error:
        raise DependencyError(_torch_failed(), _log(error)) from error
    if torch is None:
        raise DependencyError(_torch_failed())


def _torch_failed() -> str:
    remains = ", ".join(str(folder) for folder in remains_of_torch())
    if remains:
        message = _("PyTorch could not be installed: quit Slicer, delete {folders}, and try again.")
        return message.format(folders=remains)
    return _("PyTorch could not be installed: restart Slicer and install it in the module PyTorch Utils.")


def _install_others(state: DependencyState) -> bool:
    """Return whether Slicer has offered a restart itself."""
    with tempfile.TemporaryDirectory(prefix="trustseg-") as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(_pins()), encoding="utf-8")
        try:
            return host.install_packages(list(state.missing), constraints)
        except INSTALLING_FAILS_WITH as error:
            message = _("{packages} could not be installed: check the network and try again.")
            packages = ", ".join(state.missing)
            raise DependencyError(message.format(packages=packages), _log(error)) from error


def _pins() -> list[str]:
    """Versions that must not change."""
    return [f"{name}=={version}\n" for name, version in shipped_versions().items()]


def _check_again() -> None:
    after = check()
    if after.torch != "ready":
        raise DependencyError(_torch_failed())
    if after.missing:
        message = _("{packages} still cannot be used: restart Slicer and try again.")
        raise DependencyError(message.format(packages=", ".join(after.missing)))


def _log(error: Exception) -> str:
    output = [getattr(error, "output", None), getattr(error, "stderr", None)]
    texts = [text.decode("utf-8", "replace") if isinstance(text, bytes) else text for text in output if text]
    return "\n".join([f"{type(error).__name__}: {error}", *texts])


__all__ = ["DependencyError", "DependencyState", "check", "install"]
