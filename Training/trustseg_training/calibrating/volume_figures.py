"""How well volume intervals hold, by cross-validation over patients, and what they would be without."""

from __future__ import annotations

import numpy as np

from .structure_cases import StructureCases
from .volume_intervals import judge, without_uncertainty

Figures = dict[str, dict[str, float]]


def volume_figures(cases: StructureCases) -> Figures:
    """Coverage and mean width in ml: of the pool, weighted as `conditions.weights` does, and by condition."""
    own, plain = judge(cases), judge(cases, without_uncertainty)

    def figures(weight: np.ndarray) -> dict[str, float]:
        values = {
            "coverage": own.covered,
            "mean_width_ml": own.width_ml,
            "coverage_without_uncertainty": plain.covered,
            "mean_width_without_uncertainty_ml": plain.width_ml,
        }
        return {name: float(np.average(each, weights=weight)) for name, each in values.items()}

    groups = dict.fromkeys(cases.condition.tolist())
    return {
        "pool": figures(cases.weight),
        **{name: figures((cases.condition == name).astype(float)) for name in groups},
    }
