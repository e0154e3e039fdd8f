"""PySide6 6.12 takes a reference to None away with every call that returns nothing.

Before Python 3.12, where None became immortal, the process ends with SIGABRT ("deallocating None") once all
are gone, after some 30 000 calls. The application speaks with Qt through PythonQt: no such limit there.
"""

from __future__ import annotations

import ctypes
import sys

PLENTY = 2**40


def keep_none_alive() -> None:
    """Give None more references than any test can use up."""
    if sys.version_info < (3, 12):
        # The count is the first field of an object.
        ctypes.c_ssize_t.from_address(id(None)).value += PLENTY
