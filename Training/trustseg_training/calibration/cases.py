"""The cases of a calibration: images under conditions, weighted and dealt to folds by patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from trustseg_training.corruptions import Corruption, parse

if TYPE_CHECKING:
    from .answers import ImageAnswer


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


#: A case has failed if its DSC is below.
FAIL_BELOW = 0.8


@dataclass(frozen=True, eq=False)
class StructureCases:
    """Arrays (n,) of one structure's cases, an image under a condition each.

    Attributes
    ----------
    patient, condition : np.ndarray
        Names.
    weight : np.ndarray
        See `conditions.weights`.
    true_volume_ml, dsc : np.ndarray
        The truth's volume, and the Dice of mask and truth.
    scores : mapping of str to np.ndarray
        Fields of `TrustSegLib.uncertainty.structure_scores.StructureScores`.
    """

    patient: np.ndarray
    condition: np.ndarray
    weight: np.ndarray
    true_volume_ml: np.ndarray
    dsc: np.ndarray
    scores: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, answers: Sequence[ImageAnswer], label: int) -> StructureCases:
        """Gather a structure from all images."""
        known = [answer.structures[label] for answer in answers]
        patient = np.array([answer.patient for answer in answers])
        condition = np.array([answer.condition for answer in answers])
        names = known[0].scores
        return cls(
            patient,
            condition,
            weights(patient, condition),
            np.array([each.true_volume_ml for each in known]),
            np.array([each.dsc for each in known]),
            {name: np.array([each.scores[name] for each in known], float) for name in names},
        )

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def failed(self) -> np.ndarray:
        """Bool (n,)."""
        return self.dsc < FAIL_BELOW

    @property
    def is_empty(self) -> np.ndarray:
        """Bool (n,): nothing was segmented."""
        return self.scores["volume_ml"] == 0

    def masks(self) -> StructureCases:
        """The cases in which something was segmented, weighted anew."""
        found = self.take(~self.is_empty)
        return replace(found, weight=weights(found.patient, found.condition))

    def take(self, chosen: np.ndarray) -> StructureCases:
        """Some of the cases, bool or indices (n,)."""
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "scores"}
        return StructureCases(**arrays, scores={k: values[chosen] for k, values in self.scores.items()})

    def mean(self, values: np.ndarray) -> float:
        """Weighted mean over the cases: every patient counts once."""
        return float(np.average(values, weights=self.weight))
