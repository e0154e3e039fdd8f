"""From a volume and a model to the segmentation: sliding window, blending, back onto the input's grid."""

from TrustSegLib.imaging.grid import Roi
from TrustSegLib.inference.choice import Choice, choose_model
from TrustSegLib.inference.device import choose_device
from TrustSegLib.inference.options import SegmentOptions
from TrustSegLib.inference.prediction import Uncalibrated, class_moments
from TrustSegLib.inference.result import Case, SegmentationResult
from TrustSegLib.inference.segmentation import segment
from TrustSegLib.inference.sliding_window import Predictor, Window, sliding_window
from TrustSegLib.inference.stages import Cancelled, Progress
from TrustSegLib.inference.storage import Storage

__all__ = [
    "Cancelled",
    "Case",
    "Choice",
    "Predictor",
    "Progress",
    "Roi",
    "SegmentOptions",
    "SegmentationResult",
    "Storage",
    "Uncalibrated",
    "Window",
    "choose_device",
    "choose_model",
    "class_moments",
    "segment",
    "sliding_window",
]
