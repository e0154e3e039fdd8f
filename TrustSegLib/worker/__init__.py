"""Segmentation in a process of its own that stays warm: nothing blocks, and it can be stopped at any time.

The side of the caller imports only the standard library and numpy: it loads where PyTorch is not installed.
"""

from TrustSegLib.worker.client import Worker
from TrustSegLib.worker.events import (
    Announced,
    Device,
    Event,
    Failed,
    Finished,
    Logged,
    Progressed,
    Ready,
    Stopped,
)
from TrustSegLib.worker.protocol import Cancelled, WorkerError
from TrustSegLib.worker.request import SegmentAnswer, SegmentRequest

__all__ = [
    "Announced",
    "Cancelled",
    "Device",
    "Event",
    "Failed",
    "Finished",
    "Logged",
    "Progressed",
    "Ready",
    "SegmentAnswer",
    "SegmentRequest",
    "Stopped",
    "Worker",
    "WorkerError",
]
