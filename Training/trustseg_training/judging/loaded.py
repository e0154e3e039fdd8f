"""A model whose network is made once, for many images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from TrustSegLib.inference.prediction import Model


class LoadedModel:
    """Another model's description and hash, with the network kept in memory.

    Parameters
    ----------
    model : Model
        A bundle, a run or an ensemble of runs.
    """

    def __init__(self, model: Model) -> None:
        self.description, self.sha256 = model.description, model.sha256
        self._network = model.network()
        self._calibration = model.calibration()

    def network(self) -> nn.Module:
        """The same each time."""
        return self._network

    def calibration(self) -> Mapping[str, Any] | None:
        """The other model's."""
        return self._calibration
