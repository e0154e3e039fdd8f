"""Options of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass

from TrustSegLib.contract import DEFAULT_MAP, MAP_NAMES
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging.grid import Roi
from TrustSegLib.inference.device import check_device_name
from TrustSegLib.inference.sliding_window import Window


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment; every value is checked here, before anything runs.

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
        check_device_name(self.device)
        for name in self.maps:
            if name not in MAP_NAMES:
                raise OptionError(f"map '{name}' is not known; use any of: {', '.join(MAP_NAMES)}")
        Window(self.overlap, self.batch_size, self.precision)
        if not self.memory_gb >= 0.0:
            raise OptionError(f"memory of {self.memory_gb} GB is not valid; give 0 or more")

    @property
    def window(self) -> Window:
        """How the network passes over the image."""
        return Window(self.overlap, self.batch_size, self.precision)
