"""What every artifact is: a table of five strengths and a function of the scaled image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from TrustSegLib.imaging import Volume


@dataclass(frozen=True)
class Artifact:
    """One kind of artifact.

    Attributes
    ----------
    strengths : tuple of 5 floats
        Of severity 1 to 5, in the artifact's own unit, growing.
    change : function of (volume, strength, generator)
        The changed voxels (C, D, H, W) of a volume scaled to [0, 1]. What it draws from the generator does
        not depend on the strength, so that an image has one pattern at every severity.
    clipped : bool
        Whether the result is clipped to [0, 1].
    """

    strengths: tuple[float, float, float, float, float]
    change: Callable[[Volume, float, np.random.Generator], np.ndarray]
    clipped: bool = True
