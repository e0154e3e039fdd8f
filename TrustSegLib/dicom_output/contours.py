"""Outlines of a mask, slice by slice, as radiotherapy has them: closed polygons.

The outline runs halfway between the centers of voxels inside and outside (marching squares), so that the
voxels whose centers lie within it are exactly those of the mask: nothing is lost on the way back.
"""

from __future__ import annotations

import math

import numpy as np

# The corners of a cell between four voxel centers, and the middles of its edges, in halves of a voxel from
# its first corner: (x, y), y downwards.
_TOP, _LEFT, _RIGHT, _BOTTOM = (1, 0), (0, 1), (2, 1), (1, 2)
_CORNERS = {(0, 0): 1, (0, 1): 2, (1, 1): 4, (1, 0): 8}  # (row, column): bit of the cell's code
_SEGMENTS = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_BOTTOM, _RIGHT),),
    5: ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    6: ((_BOTTOM, _TOP),),
    7: ((_BOTTOM, _LEFT),),
    8: ((_LEFT, _BOTTOM),),
    9: ((_TOP, _BOTTOM),),
    10: ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
    11: ((_RIGHT, _BOTTOM),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}
"""By code, the ways through a cell, with the mask on the right: voxels that meet at a corner are apart."""


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the outlines of the connected parts of a slice.

    Parameters
    ----------
    mask : array of bool
        (H, W).

    Returns
    -------
    list of array
        Each (N, 2), a closed polygon without its first point again: x (columns) and y (rows) in voxels, 0 at
        the center of the first. A hole is joined to the outline around it by a way there and back, as readers
        that know no holes need it.
    """
    loops = [_without_straight_points(loop) for loop in _loops(np.pad(mask, 1))]
    areas = [_area(loop) for loop in loops]
    around = [loop for loop, area in zip(loops, areas, strict=True) if area > 0]
    around.sort(key=_area)
    for hole in (loop for loop, area in zip(loops, areas, strict=True) if area < 0):
        # The smallest outline around a hole is its own; others may lie around that one.
        place = next(place for place, loop in enumerate(around) if _contains(loop, hole[0]))
        around[place] = _joined(around[place], hole)
    return [loop / 2 - 1 for loop in around]


def _loops(padded: np.ndarray) -> list[np.ndarray]:
    """Closed ways around the mask, (N, 2) whole numbers of halves of a voxel."""
    height, width = (size - 1 for size in padded.shape)
    code = np.zeros((height, width), np.uint8)
    for (row, column), bit in _CORNERS.items():
        code += padded[row : row + height, column : column + width].astype(np.uint8) * np.uint8(bit)
    following: dict[tuple[int, int], tuple[int, int]] = {}
    for row, column in np.argwhere((code > 0) & (code < 15)).tolist():
        for start, end in _SEGMENTS[int(code[row, column])]:
            x, y = 2 * column, 2 * row
            following[x + start[0], y + start[1]] = (x + end[0], y + end[1])
    loops = []
    while following:
        first = point = next(iter(following))
        loop = []
        while point in following:
            loop.append(point)
            point = following.pop(point)
        assert point == first  # every way out of a cell is a way into the next
        loops.append(np.array(loop))
    return loops


def _without_straight_points(loop: np.ndarray) -> np.ndarray:
    before, after = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return loop[turns]


def _area(loop: np.ndarray) -> float:
    """Signed: above 0 with the mask inside."""
    x, y = loop.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _contains(loop: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point lies inside, by the number of edges to its right.

    The point is of another outline, and none passes where another does. Corners at its height count for the
    one of their edges that goes on below.
    """
    (x0, y0), (x1, y1) = loop.T, np.roll(loop, -1, axis=0).T
    crosses = (y0 > point[1]) != (y1 > point[1])
    height = np.where(crosses, y1 - y0, 1)
    return bool(np.count_nonzero(crosses & (x0 + (point[1] - y0) * (x1 - x0) / height > point[0])) % 2)


def _joined(loop: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A way around, over to the hole between two near points, around it and back."""
    distances = ((loop[:, None] - hole[None]) ** 2).sum(axis=2)
    pairs = zip(*np.unravel_index(np.argsort(distances, axis=None), distances.shape), strict=True)
    here, there = next(pair for pair in pairs if not _meets_a_center(loop[pair[0]], hole[pair[1]]))
    turned = np.roll(hole, -there, axis=0)
    return np.concatenate([loop[: here + 1], turned, turned[:1], loop[here:]])


def _meets_a_center(start: np.ndarray, end: np.ndarray) -> bool:
    """Whether a straight way leads over the center of a voxel, of which no reader could say where it is."""
    steps = math.gcd(*(end - start).tolist())
    on_the_way = start + np.arange(steps + 1)[:, None] * (end - start) // max(steps, 1)
    return bool((on_the_way % 2 == 0).all(axis=1).any())
