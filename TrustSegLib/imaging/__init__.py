"""Images with their geometry: read, write, orient, resample and normalize."""

from TrustSegLib.imaging.normalization import Normalization, normalize
from TrustSegLib.imaging.orientation import orient
from TrustSegLib.imaging.reading import read_labels, read_volume
from TrustSegLib.imaging.resampling import resample, resample_like
from TrustSegLib.imaging.volume import Volume
from TrustSegLib.imaging.writing import write_volume

__all__ = [
    "Normalization",
    "Volume",
    "normalize",
    "orient",
    "read_labels",
    "read_volume",
    "resample",
    "resample_like",
    "write_volume",
]
