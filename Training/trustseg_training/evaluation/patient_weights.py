"""Weights and folds by patient, for every fit to images under several conditions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trustseg_training.corruptions import CLEAN

#: Weight of the clean images of every patient: most scans that a model is made for are clean.
CLEAN_SHARE = 0.5

#: Ten folds leave nine tenths of the patients for fitting: just enough for a 90 % quantile with ten patients.
FOLDS = 10


def weights(patient: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Weight of each case: 1 for every patient, of which the clean images share `CLEAN_SHARE`.

    Corrupted copies of an image are not independent of it, so more copies must not look like more patients.
    Where a patient has only clean or only corrupted images, these share the whole 1.

    Parameters
    ----------
    patient, condition : np.ndarray
        (n,) names, one for every case.

    Returns
    -------
    np.ndarray
        (n,) positive, summing to 1 over each patient.
    """
    clean = condition == CLEAN
    found = np.zeros(len(patient))
    for name in np.unique(patient):
        own = patient == name
        for kind, share in ((own & clean, CLEAN_SHARE), (own & ~clean, 1 - CLEAN_SHARE)):
            found[kind] = share / max(kind.sum(), 1)
        found[own] /= found[own].sum()
    return found


def folds(patient: np.ndarray, count: int = FOLDS, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split the patients into folds at random.

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
        bool (n,): cases to fit on, and cases left out. Every case is left out once.
    """
    names = np.unique(patient)
    order = np.random.default_rng(seed).permutation(names)
    for first in range(min(count, len(names))):
        left_out = np.isin(patient, order[first::count])
        yield ~left_out, left_out
