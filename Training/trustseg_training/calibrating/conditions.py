"""Under which conditions a model is calibrated: the images as they are, and worse copies of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trustseg_training.corruptions import Corruption, parse

CLEAN = "clean"

#: Eight ways in which scans go wrong, from hardly visible to failed. Half of them are noises; none is the
#: gain, which has to change nothing.
DEFAULT = (
    "gaussian-6dB",
    "gaussian-2dB",
    "gaussian-0dB",
    "speckle-4dB",
    "speckle-0dB",
    "bias_field-5",
    "motion-5",
    "ghosting-5",
)

#: Share of every patient's images without corruption: the scans that a model is made for are mostly such.
CLEAN_SHARE = 0.5


def conditions_of(texts: Sequence[str]) -> tuple[Corruption, ...]:
    """Read corruptions from their texts; `CLEAN` may be among them and is always done.

    Raises
    ------
    OptionError
        One is not known.
    """
    return tuple(parse(text) for text in dict.fromkeys(texts) if text != CLEAN)


def weights(patient: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """What each case counts: every patient 1, of which the clean images have `CLEAN_SHARE` together.

    Corrupted copies of an image are not independent of it, so that more copies must not look like more
    patients. Where a patient has images of one kind only, these have the whole 1.

    Parameters
    ----------
    patient, condition : np.ndarray
        (n,) names, of every case.

    Returns
    -------
    np.ndarray
        (n,) positive, with sum 1 over each patient.
    """
    clean = condition == CLEAN
    found = np.zeros(len(patient))
    for name in np.unique(patient):
        own = patient == name
        for kind, share in ((own & clean, CLEAN_SHARE), (own & ~clean, 1 - CLEAN_SHARE)):
            found[kind] = share / max(kind.sum(), 1)
        found[own] /= found[own].sum()
    return found
