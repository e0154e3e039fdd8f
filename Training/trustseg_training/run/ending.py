"""Whether a run has come to its end, which resuming it must not spoil."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trustseg_training.configuration import FitConfiguration

from .weights import read_checkpoint


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    epochs : int
        That it trained.
    early : bool
        Whether `early_stopping` ended it.
    score : float
        ``val/dice`` of its best epoch.
    """

    epochs: int
    early: bool
    score: float

    def __str__(self) -> str:
        why = "ended early, without a better validation" if self.early else "is finished"
        return f"{why}, after {self.epochs} epoch{'' if self.epochs == 1 else 's'}: nothing to resume"


def ending_of(configuration: FitConfiguration, checkpoint: Path) -> Ending | None:
    """What the last checkpoint of a run says of its end; None while the run has epochs to train.

    Raises
    ------
    OptionError
        The checkpoint is damaged.
    """
    state = read_checkpoint(checkpoint)
    early = any(
        callback.get("stopped_epoch", 0) > 0 for name, callback in _callbacks(state, "EarlyStopping").items()
    )
    epochs = state["epoch"] + 1
    if not early and epochs < configuration.epochs:
        return None
    scores = [
        float(callback["best_model_score"])
        for callback in _callbacks(state, "ModelCheckpoint").values()
        if callback.get("monitor") == "val/dice" and callback["best_model_score"] is not None
    ]
    return Ending(epochs, early, scores[0]) if scores else None


def _callbacks(state: dict, kind: str) -> dict[str, dict]:
    """States of Lightning's callbacks of a kind; their names begin with it."""
    return {name: content for name, content in state["callbacks"].items() if name.startswith(kind)}
