"""Options of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass

from TrustSegLib.contract import DEFAULT_MAP, MAP_NAMES
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging.grid import Roi
from TrustSegLib.inference.device import DEVICE_PATTERN, check_precision
from TrustSegLib.inference.sliding_window import check_window_options


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment; every value is checked here, so that a wrong one is said before anything runs.

    Attributes
    ----------
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    maps : tuple of str
        Names of the uncertainty maps to return.
    roi : Roi or None
        Region to segment; None for the whole image.
    batch_size : int
        Patches per pass.
    overlap : float
        Fraction of a patch that neighbors share, in [0, 1).
    precision : str
        `float32` or `bfloat16`.
    memory_gb : float
        Gigabytes (1e9 bytes) of memory that the class moments of the whole volume may take; beyond, they go
        to temporary files. The slab of one patch's thickness that is being summed up always stays in memory.
    """

    device: str = "auto"
    maps: tuple[str, ...] = (DEFAULT_MAP,)
    roi: Roi | None = None
    batch_size: int = 2
    overlap: float = 0.5
    precision: str = "float32"
    memory_gb: float = 2.0

    def __post_init__(self) -> None:
        if DEVICE_PATTERN.fullmatch(self.device) is None:
            raise OptionError(f"device '{self.device}' is not known; use auto, cpu, cuda or cuda:N")
        for name in self.maps:
            if name not in MAP_NAMES:
                raise OptionError(f"map '{name}' is not known; use any of: {', '.join(MAP_NAMES)}")
        check_window_options(self.overlap, self.batch_size)
        check_precision(self.precision)
        if not self.memory_gb >= 0.0:
            raise OptionError(f"memory of {self.memory_gb} GB is not valid; give 0 or more")
