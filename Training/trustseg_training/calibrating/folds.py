"""Cross-validation over patients: all images of one patient are in one fold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Ten leave nine tenths of the patients for fitting, which with ten patients is just enough for a quantile of
#: 90 %.
FOLDS = 10

#: For choices within the patients of a fold.
INNER_FOLDS = 5


def folds(patient: np.ndarray, count: int = FOLDS, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Deal the patients to folds at random.

    Parameters
    ----------
    patient : np.ndarray
        (n,) name of each case's patient; their order has no influence.
    count : int
        Number of folds; with fewer patients, one for each.
    seed : int
        Of the order.

    Yields
    ------
    tuple of np.ndarray
        bool (n,): cases to fit on, and the cases left out. Every case is left out once.
    """
    names = np.unique(patient)
    order = np.random.default_rng(seed).permutation(names)
    for first in range(min(count, len(names))):
        left_out = np.isin(patient, order[first::count])
        yield ~left_out, left_out
