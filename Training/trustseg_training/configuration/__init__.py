"""The settings of a run: their checks, their files and what the data choose for them."""

from .checks import SettingError
from .settings import FILE, FitConfiguration

__all__ = [
    "FILE",
    "FitConfiguration",
    "SettingError",
]
