"""One training run: its objective, its steps and its checkpoints."""

from .callbacks import BEST, LAST
from .fitting import fit, load_weights
from .lightning_module import Segmentation, network_of, volume_network

__all__ = [
    "BEST",
    "LAST",
    "Segmentation",
    "fit",
    "load_weights",
    "network_of",
    "volume_network",
]
