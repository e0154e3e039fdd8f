"""An attack that is made with another model than the one that is shown the image."""

from __future__ import annotations

from dataclasses import dataclass

from TrustSegLib.errors import OptionError

from .options import Attack, parse

_FROM = "-from-"


@dataclass(frozen=True)
class Transfer:
    """An attack through one model's prediction, for another to be shown.

    What a model's own gradients hide, such as where its probabilities saturate, another model's do not: one
    that is robust against its own attacks only is not robust.

    Attributes
    ----------
    attack : Attack
        What is done.
    source : str
        Name of the model whose gradients are followed.
    """

    attack: Attack
    source: str

    @property
    def key(self) -> str:
        """Such as ``fgsm-0.02-from-deterministic-1``."""
        return f"{self.attack.key}{_FROM}{self.source}"


def parse_any(text: str) -> Attack | Transfer:
    """Read an attack, transferred or not, from its key.

    Raises
    ------
    OptionError
        It is no attack, or names no model after ``-from-``.
    """
    how, transferred, source = text.partition(_FROM)
    if not transferred:
        return parse(text)
    if not source or "/" in source:
        raise OptionError(f"attack {text!r:.60}: name a model of this verification after {_FROM}")
    return Transfer(parse(how), source)
