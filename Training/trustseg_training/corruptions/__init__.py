"""What can happen to a scan: noises and artifacts that change the image and never its geometry or labels."""

from .applying import Corrupted, corrupt
from .corruption import ARTIFACTS, NAMES, NOISES, Corruption, parse

__all__ = ["ARTIFACTS", "NAMES", "NOISES", "Corrupted", "Corruption", "corrupt", "parse"]
