"""A model without its calibration, for those who fit or judge one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from TrustSegLib.inference.prediction import Model


class Uncalibrated:
    """Another model, without calibration: `segment` then returns the raw error probability.

    The raw scores need no such thing: `SegmentationResult.scores` are raw with any model.

    Parameters
    ----------
    model : Model
        A bundle, or what stands for one.
    """

    def __init__(self, model: Model) -> None:
        self.description, self.sha256 = model.description, model.sha256
        self._model = model

    def network(self) -> nn.Module:
        """The other model's."""
        return self._model.network()

    def calibration(self) -> Mapping[str, Any] | None:
        """None: probabilities and scores stay as the network gives them."""
        return None
