"""Images with their geometry: read, write, orient, resample and normalize."""

from TrustSegLib.imaging.image_files import read_labels, read_volume, write_volume
from TrustSegLib.imaging.normalization import Normalization, normalize
from TrustSegLib.imaging.resampling import resample, resample_like, resampled_middle
from TrustSegLib.imaging.volume import Volume, orient

__all__ = [
    "Normalization",
    "Volume",
    "normalize",
    "orient",
    "read_labels",
    "read_volume",
    "resample",
    "resample_like",
    "resampled_middle",
    "write_volume",
]
