"""One structure in all images: what the network said of it and what was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from .conditions import weights

if TYPE_CHECKING:
    from .answers import ImageAnswer

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
