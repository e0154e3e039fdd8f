"""Which settings say something of a run: some are about weights that its family does not have."""

from __future__ import annotations

#: Families whose weights are random.
RANDOM_WEIGHTS = ("vdp", "supernet", "bayes_by_backprop")

_OF_RANDOM_WEIGHTS = ("kl_weight", "kl_schedule", "relative_variance", "variance_learning_rate")


def concerns(setting: str, family: str) -> bool:
    """Whether a setting has an effect on networks of a family."""
    return setting not in _OF_RANDOM_WEIGHTS or family in RANDOM_WEIGHTS
