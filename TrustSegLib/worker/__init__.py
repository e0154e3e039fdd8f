"""Segmentation in a process of its own that stays warm: nothing blocks, and it can be stopped at any time.

The side of the caller imports only the standard library and numpy: it loads where PyTorch is not installed.
"""

from TrustSegLib.worker.client.events import (
    Announced,
    Event,
    Failed,
    Finished,
    Logged,
    Progressed,
    Ready,
    Stopped,
)
from TrustSegLib.worker.client.requests import (
    CaseResult,
    PlanBatch,
    ReadCase,
    SegmentFile,
    SegmentRequest,
    SegmentResult,
    WriteTables,
)
from TrustSegLib.worker.client.worker import Worker
from TrustSegLib.worker.protocol import Cancelled, CaseOutcome, Device, WorkerError

__all__ = [
    "Announced",
    "Cancelled",
    "CaseOutcome",
    "CaseResult",
    "Device",
    "Event",
    "Failed",
    "Finished",
    "Logged",
    "PlanBatch",
    "Progressed",
    "ReadCase",
    "Ready",
    "SegmentFile",
    "SegmentRequest",
    "SegmentResult",
    "Stopped",
    "Worker",
    "WorkerError",
    "WriteTables",
]
