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
from TrustSegLib.worker.expected import CaseAnswer, SegmentAnswer
from TrustSegLib.worker.file_requests import PlanBatch, ReadCase, SegmentFile, WriteTables
from TrustSegLib.worker.protocol import Cancelled, WorkerError
from TrustSegLib.worker.request import SegmentRequest

__all__ = [
    "Announced",
    "Cancelled",
    "CaseAnswer",
    "Device",
    "Event",
    "Failed",
    "Finished",
    "Logged",
    "PlanBatch",
    "Progressed",
    "ReadCase",
    "Ready",
    "SegmentAnswer",
    "SegmentFile",
    "SegmentRequest",
    "Stopped",
    "Worker",
    "WorkerError",
    "WriteTables",
]
