"""Which corruptions a model has met before it is verified: in the fit of its scales, and in its training.

Under families that it has not met, a model shows what it will do with the next one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trustseg_training.corruptions import CLEAN, NAMES
from trustseg_training.data import TRAINING_RECORD, touched_families
from trustseg_training.data.augmented_families import KEY

from .ensemble import EnsembleModel
from .evaluated_model import EvaluatedModel


@dataclass(frozen=True)
class Seen:
    """What a model has met.

    Attributes
    ----------
    fit : tuple of str
        Conditions of the images that its temperature, variance scale and class bias were fitted on; empty if
        it has none of them.
    training : tuple of str or None
        Families of corruptions in the augmentation of its training; None if that is not known.
    """

    fit: tuple[str, ...]
    training: tuple[str, ...] | None

    def __post_init__(self) -> None:
        for name in ("fit", "training"):  # JSON has lists
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    @property
    def fitted_families(self) -> set[str]:
        """Families of the fit's corruptions, at any strength."""
        return {family_of(condition) for condition in self.fit if condition != CLEAN}

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: None if value is None else list(value) for name, value in asdict(self).items()}


def seen_by(evaluated: EvaluatedModel) -> Seen:
    """What a run, an ensemble of runs or a bundle has met."""
    model = evaluated.model
    if isinstance(model, EnsembleModel):
        training = touched_families([member.run for member in model.members])
    elif evaluated.run is not None:
        training = touched_families([evaluated.run.run])
    else:
        training = (model.metrics() or {}).get(TRAINING_RECORD, {}).get(KEY)
    return Seen(evaluated.scale_conditions, training)


def family_of(condition: str) -> str | None:
    """Name of the corruption of a condition such as ``gaussian-2dB``; None for clean images and attacks."""
    name = condition.partition("-")[0]
    return name if name in NAMES else None
