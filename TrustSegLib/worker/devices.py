"""The devices a network can run on, with their memory."""

from __future__ import annotations

import os

import torch

from TrustSegLib.worker.events import Device

MB = 1_000_000


def list_devices() -> list[Device]:
    """Return the CPU and every CUDA device that PyTorch finds."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [_cpu(), *(_cuda(index) for index in range(count))]


def _cpu() -> Device:
    return Device("cpu", f"CPU, {os.cpu_count()} cores", None, _main_memory_mb())


def _main_memory_mb() -> int | None:
    """All of it; None where the system does not tell it in this way, as Windows does not."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MB


def _cuda(index: int) -> Device:
    title = torch.cuda.get_device_name(index)
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError:  # another program has the device for itself, or has filled it
        return Device(f"cuda:{index}", title)
    return Device(f"cuda:{index}", title, free // MB, total // MB)
