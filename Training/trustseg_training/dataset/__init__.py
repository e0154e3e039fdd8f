"""A folder of labelled images: its cases, reading them, and its problems."""

from .cases import SPLIT_TABLE, Case, DatasetError, find_cases, list_cases
from .label_maps import known_values, region_masks, remap
from .reading import Findings, Inspector

__all__ = [
    "SPLIT_TABLE",
    "Case",
    "DatasetError",
    "Findings",
    "Inspector",
    "find_cases",
    "known_values",
    "list_cases",
    "region_masks",
    "remap",
]
