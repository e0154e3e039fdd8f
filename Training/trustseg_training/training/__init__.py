"""One training run: its objective, its steps and its checkpoints."""

from .callbacks import BEST, CHECKPOINTS, LAST
from .checkpoints import load_weights
from .fitting import fit
from .lightning_module import Segmentation, network_of, volume_network
from .timing import Times, measure

__all__ = [
    "BEST",
    "CHECKPOINTS",
    "LAST",
    "Segmentation",
    "Times",
    "fit",
    "load_weights",
    "measure",
    "network_of",
    "volume_network",
]
