"""Attacks on a network of any family through its own class probabilities."""

from .attack import Attacked, attack
from .gradients import VolumeGradient
from .options import ATTACKS, Attack, parse

__all__ = ["ATTACKS", "Attack", "Attacked", "VolumeGradient", "attack", "parse"]
