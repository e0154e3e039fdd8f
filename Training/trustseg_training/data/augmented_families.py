"""Which families of corruptions a training has touched: robustness against them is no surprise.

Robustness that comes from training on the test's own corruption is not robustness. Reports therefore tell the
families that the augmentation contains from all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trustseg_training.config import FitConfiguration, is_run

from .leakage import record_of_bundle

_DEFAULT = ("blur", "gain", "gamma")
_STRONG = (*_DEFAULT, "bias_field", "downsampling")

#: Corruptions of the robustness suites that each `augmentation` contains; downsampling as anisotropy. All
#: others are unseen: rician, poisson, speckle and salt_and_pepper noise, motion, ghosting and spike.
TOUCHED: dict[str, tuple[str, ...]] = {
    "none": (),
    "default": _DEFAULT,
    "strong": _STRONG,
    "noise": (*_STRONG, "gaussian"),
    "planning_ct": ("blur", "downsampling", "gaussian"),
}

#: Key in the record of a bundle's training, see `leakage.training_record`.
KEY = "touched_families"


def touched_families(runs: Sequence[Path]) -> list[str] | None:
    """Families that the trainings of some runs, and of those that they were started from, have touched.

    Returns
    -------
    list of str or None
        Names of corruptions; None where a start of the weights does not say it.
    """
    found: set[str] = set()
    waiting, seen = list(runs), set()
    while waiting:
        run = waiting.pop()
        if run in seen:
            continue
        seen.add(run)
        configuration = FitConfiguration.load(run)
        found |= set(TOUCHED[configuration.augmentation])
        origin = configuration.initialize_from
        if origin is not None and is_run(Path(origin)):
            waiting.append(Path(origin))
        elif origin is not None:
            before = record_of_bundle(origin).get(KEY)
            if before is None:
                return None
            found |= set(before)
    return sorted(found)
