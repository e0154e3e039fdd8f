"""Attacks on a network of any family through its own class probabilities."""

from .attack import Attacked, attack
from .gradients import VolumeGradient
from .options import ATTACKS, Attack, Transfer, parse, parse_any

__all__ = ["ATTACKS", "Attack", "Attacked", "Transfer", "VolumeGradient", "attack", "parse", "parse_any"]
