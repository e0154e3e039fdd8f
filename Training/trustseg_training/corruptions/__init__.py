"""What can happen to a scan: noises and artifacts that change the image and never its geometry or labels."""

from .corruption import ARTIFACTS, NAMES, NOISES, Corrupted, Corruption, corrupt, parse

__all__ = ["ARTIFACTS", "NAMES", "NOISES", "Corrupted", "Corruption", "corrupt", "parse"]
