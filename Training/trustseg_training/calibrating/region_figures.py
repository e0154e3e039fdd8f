"""What the regions find, by condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .answers import ImageAnswer
from .region_review import Found, Review
from .voxel_figures import POOL

PLACES = ("in_regions", "most_uncertain", "in_rim")

Figures = dict[str, dict[str, float | None]]


def region_figures(answers: Sequence[ImageAnswer], weight: np.ndarray) -> Figures:
    """Sums over the images of each condition, and over all of them with their weights as `pool`.

    Returns
    -------
    dict
        By condition ``regions`` and ``voxels``, means over the images; ``thick``, mean number of voxels of
        thick errors; and for each of `PLACES` ``<place>_wrong``, the share of its voxels that are wrong, and
        ``<place>_thick``, the share of all thick errors that lie in it. None where nothing is to be shared.
    """
    condition = np.array([answer.condition for answer in answers])
    reviews = [answer.review for answer in answers]
    groups = {name: (condition == name).astype(float) for name in dict.fromkeys(condition.tolist())}
    return {name: _of(reviews, own) for name, own in {**groups, POOL: weight}.items()}


def _of(reviews: Sequence[Review], weight: np.ndarray) -> dict[str, float | None]:
    voxels = _sum([each.voxels for each in reviews], weight)
    rim = _sum([each.rim_voxels for each in reviews], weight)
    thick = _sum([each.everywhere.thick for each in reviews], weight)
    found: dict[str, float | None] = {
        "regions": _sum([each.regions for each in reviews], weight) / weight.sum(),
        "voxels": voxels / weight.sum(),
        "thick": thick / weight.sum(),
    }
    for place in PLACES:
        parts: list[Found] = [getattr(each, place) for each in reviews]
        looked = rim if place == "in_rim" else voxels
        found[f"{place}_wrong"] = _share(_sum([part.wrong for part in parts], weight), looked)
        found[f"{place}_thick"] = _share(_sum([part.thick for part in parts], weight), thick)
    return found


def _sum(values: Sequence[float], weight: np.ndarray) -> float:
    return float(np.asarray(values, float) @ weight)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
