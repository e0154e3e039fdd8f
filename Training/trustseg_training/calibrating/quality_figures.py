"""How well the Dice coefficient is predicted, by cross-validation over patients, beside single scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from trustseg_training.measures.case_ranking import rank_correlation
from trustseg_training.measures.error_detection import auroc

from .case_quality import judge_quality
from .structure_cases import StructureCases

#: Scores that rank cases by themselves, and whether they rise with the quality.
SINGLE_SCORES = {
    "expected_dice": True,
    "sampled_dice": True,
    "boundary_uncertainty": False,
    "mean_error": False,
}


def quality_figures(cases: StructureCases) -> dict[str, Any]:
    """Error and coverage, of the pool and by condition; and how well cases are ranked by several scores.

    ``pool`` is weighted as `conditions.weights` does. In ``ranking`` all cases count the same, failed ones
    are those below `structure_cases.FAIL_BELOW`, and an empty mask is the worst of all.
    """
    judged = judge_quality(cases)
    error, covered = np.abs(judged.predicted - cases.dsc), judged.covered(cases)
    # Beside the expected Dice taken at its word.
    plain = np.abs(cases.scores["expected_dice"] - cases.dsc)

    def figures(weight: np.ndarray) -> dict[str, float]:
        values = {
            "mean_absolute_error": error,
            "mean_absolute_error_of_expected_dice": plain,
            "coverage": covered,
            "true_dsc": cases.dsc,
            "predicted_dsc": judged.predicted,
        }
        return {name: float(np.average(each, weights=weight)) for name, each in values.items()}

    groups = dict.fromkeys(cases.condition.tolist())
    found: dict[str, Any] = {"pool": figures(cases.weight)}
    found |= {name: figures((cases.condition == name).astype(float)) for name in groups}
    return found | {"ranking": _rankings(cases, judged.predicted)}


def _rankings(cases: StructureCases, predicted: np.ndarray) -> dict[str, dict[str, float | None]]:
    ranked = {"predicted": -predicted}
    for name, rises in SINGLE_SCORES.items():
        values = -cases.scores[name] if rises else cases.scores[name]
        ranked[name] = np.where(cases.is_empty, values.max() + 1, values)
    return {
        name: {"failure_auroc": auroc(risk, cases.failed), "spearman": rank_correlation(-risk, cases.dsc)}
        for name, risk in ranked.items()
    }
