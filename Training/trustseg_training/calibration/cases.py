"""The cases of a calibration: images under conditions, weighted and split into folds by patient."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from trustseg_training.corruptions import CLEAN, Corruption, parse
from trustseg_training.evaluation.patient_weights import FOLDS as FOLDS
from trustseg_training.evaluation.patient_weights import folds as folds
from trustseg_training.evaluation.patient_weights import weights
from trustseg_training.metrics.case_ranking import FAILURE_DICE

if TYPE_CHECKING:
    from .results import ImageResult

#: Six typical degradations of scans, from barely visible to failed, of families that an augmented training
#: has met. Speckle, Rician and Poisson noise, salt and pepper, motion, ghosting and spikes are left, to see
#: whether a calibration holds under what it was not fitted on. No gain, which must not change anything.
DEFAULT = (
    "gaussian-6dB",
    "gaussian-2dB",
    "gaussian-0dB",
    "blur-5",
    "downsampling-5",
    "bias_field-5",
)

#: For choices among the patients of a fold.
INNER_FOLDS = 5


def conditions_of(texts: Sequence[str]) -> tuple[Corruption, ...]:
    """Parse corruptions; `CLEAN` may be among them and is always included.

    Raises
    ------
    OptionError
        A corruption is unknown.
    """
    return tuple(parse(text) for text in dict.fromkeys(texts) if text != CLEAN)


def case_weights(patient: np.ndarray, condition: np.ndarray, unseen: Collection[str] = ()) -> np.ndarray:
    """`weights` of the cases that are fitted on; 0 under conditions that no fit may see."""
    seen = ~np.isin(condition, list(unseen))
    found = np.zeros(len(patient))
    found[seen] = weights(patient[seen], condition[seen])
    return found


@dataclass(frozen=True, eq=False)
class StructureCases:
    """Arrays (n,) of one structure's cases, each an image under a condition.

    Attributes
    ----------
    patient, condition : np.ndarray
        Names.
    weight : np.ndarray
        See `case_weights`.
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
    def of(cls, results: Sequence[ImageResult], label: int, unseen: Collection[str] = ()) -> StructureCases:
        """Collect a structure from all images; ``unseen`` are conditions that no fit may see."""
        known = [result.structures[label] for result in results]
        patient = np.array([result.patient for result in results])
        condition = np.array([result.condition for result in results])
        names = known[0].scores
        return cls(
            patient,
            condition,
            case_weights(patient, condition, unseen),
            np.array([each.true_volume_ml for each in known]),
            np.array([each.dsc for each in known]),
            {name: np.array([each.scores[name] for each in known], float) for name in names},
        )

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def seen(self) -> np.ndarray:
        """Bool (n,): to fit on."""
        return self.weight > 0

    @property
    def failed(self) -> np.ndarray:
        """Bool (n,): the DSC is below `FAILURE_DICE`."""
        return self.dsc < FAILURE_DICE

    @property
    def is_empty(self) -> np.ndarray:
        """Bool (n,): nothing was segmented."""
        return self.scores["volume_ml"] == 0

    def masks(self) -> StructureCases:
        """The cases in which something was segmented, with new weights."""
        found = self.take(~self.is_empty)
        unseen = np.unique(found.condition[~found.seen]).tolist()
        return replace(found, weight=case_weights(found.patient, found.condition, unseen))

    def take(self, chosen: np.ndarray) -> StructureCases:
        """Some of the cases, bool or indices (n,)."""
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "scores"}
        return StructureCases(**arrays, scores={k: values[chosen] for k, values in self.scores.items()})

    def mean(self, values: np.ndarray) -> float:
        """Weighted mean over the cases: every patient counts once."""
        return float(np.average(values, weights=self.weight))
