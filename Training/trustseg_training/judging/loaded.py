"""A model whose network is made once, for many images."""

from __future__ import annotations

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

    def network(self) -> nn.Module:
        """The same each time."""
        return self._network
