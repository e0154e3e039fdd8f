"""Labels: from the values in the files to those that the network learns, and regions, their unions.

Glioma in BraTS, for example, has the tissues 1 to 4 and three regions that contain each other:
whole tumor (1-4), core (1, 3, 4) and enhancing (4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def known_values(label_map: Mapping[int, int], classes: int) -> set[int]:
    """The values that a label file may have: those of the map, or 0 .. classes - 1 without one.

    The background, 0, is known even where the map does not name it.
    """
    return {0, *label_map} if label_map else set(range(classes))


def remap(labels: np.ndarray, label_map: Mapping[int, int]) -> np.ndarray:
    """Replace the values of a file by the labels that the network learns.

    Parameters
    ----------
    labels : np.ndarray
        uint8, of any shape, with values of `known_values` only.
    label_map : mapping of int to int
        Empty for no change; a value that it does not name stays.

    Returns
    -------
    np.ndarray
        uint8, of the same shape.
    """
    if not label_map:
        return labels
    table = np.arange(256, dtype=np.uint8)
    for value, label in label_map.items():
        table[value] = label
    return table[labels]


def region_masks(labels: np.ndarray, regions: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """The mask of every region, that is of the union of its labels.

    Parameters
    ----------
    labels : np.ndarray
        Of any shape, true or predicted, as the network numbers them.
    regions : mapping of str to sequence of int
        Labels of each region; regions may overlap.

    Returns
    -------
    dict of str to np.ndarray
        bool, of the shape of ``labels``.
    """
    return {name: np.isin(labels, list(union)) for name, union in regions.items()}
