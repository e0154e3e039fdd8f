"""Images that look like parts of one scan, by the step between their intensities.

Scanners store whole numbers; rescaling them to floats gives every scan a step of its own, which all images
cut from it share. Two images with the same uncommon step are hardly of two patients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from .cases import Case

#: Relative difference up to which two steps are equal: parts of a scan differ by the rounding of float32.
_EQUAL = 2e-6

#: Distance of the intensities from multiples of the step, in steps, up to which they have one.
_OFF_GRID = 0.02

#: A step is that of one scan if no more cases than these, or than this share of all, have it.
_MOST_OF_A_SCAN, _MOST_SHARE = 4, 0.1

#: Fewer groups, or a smaller share of the cases in them, may be chance.
_LEAST_GROUPS, _LEAST_SHARE = 3, 0.1


def intensity_step(voxels: np.ndarray) -> float | None:
    """Step of the intensities of an image, or None if they have none or that of whole numbers.

    Parameters
    ----------
    voxels : np.ndarray
        Any shape.
    """
    if np.issubdtype(voxels.dtype, np.integer):
        return None
    values = np.unique(voxels).astype(float)
    if len(values) < 3:
        return None
    # Dense histograms have most values next to each other; the range gives the step more digits.
    rough = float(np.median(np.diff(values)))
    step = float(values[-1] - values[0]) / max(round(float(values[-1] - values[0]) / rough), 1)
    places = (values - values[0]) / step
    is_whole = abs(step - round(step)) < 1e-4 * step and round(step) >= 1
    if is_whole or np.abs(places - np.round(places)).max() > _OFF_GRID:
        return None
    return step


def siblings(steps: Mapping[Case, float | None]) -> list[list[Case]]:
    """Cases of different patients that share an uncommon step, group by group; empty if this may be chance.

    Parameters
    ----------
    steps : mapping of Case to float or None
        Of `intensity_step`.
    """
    ordered = sorted((step, case.name, case) for case, step in steps.items() if step is not None)
    groups: list[list[Case]] = []
    last = None
    for step, _, case in ordered:
        if last is None or step - last > _EQUAL * step:
            groups.append([])
        groups[-1].append(case)
        last = step
    most = max(_MOST_OF_A_SCAN, _MOST_SHARE * len(steps))
    found = [group for group in groups if 1 < len(group) <= most and len({c.patient for c in group}) > 1]
    found = [sorted(group, key=lambda case: case.name) for group in found]
    count = sum(map(len, found))
    return found if len(found) >= _LEAST_GROUPS and count >= _LEAST_SHARE * len(steps) else []


def sibling_warning(groups: Sequence[Sequence[Case]]) -> str | None:
    """A sentence about `siblings`, with what to do; None if there are none."""
    if not groups:
        return None
    splits: defaultdict[int, set[str | None]] = defaultdict(set)
    for index, group in enumerate(groups):
        splits[index] |= {case.split for case in group}
    apart = sum(len(own) > 1 for own in splits.values())
    first = " and ".join(case.name for case in groups[0][:2])
    return (
        f"{sum(map(len, groups))} images look like parts of {len(groups)} scans (the same intensity step), "
        f"such as {first}, but count as different patients"
        + (f", {apart} of these scans in two sets" if apart else "")
        + "; give them one patient in a column patient, or the figures will be too good"
    )
