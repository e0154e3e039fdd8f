"""The settings of a run: their checks, their files and what the data choose for them."""

from .declaration import SettingError
from .settings import FILE, FitConfiguration, is_run

__all__ = [
    "FILE",
    "FitConfiguration",
    "SettingError",
    "is_run",
]
