"""Corruptions of a scan: noises and artifacts that change the image, never its geometry or labels."""

from .corruption import ARTIFACTS, CLEAN, NAMES, NOISES, Corrupted, Corruption, corrupt, parse

__all__ = ["ARTIFACTS", "CLEAN", "NAMES", "NOISES", "Corrupted", "Corruption", "corrupt", "parse"]
