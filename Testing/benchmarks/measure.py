"""Time and peak memory, as ratios taken inside one run."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import subjects
import torch


def times(runs: dict[str, Callable[[], None]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of each variant in each round; the variants alternate, so that a slow moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, run in runs.items():
            seconds = _timed(run, device)
            if round_number:  # the first round warms up
                taken[name].append(seconds)
    return taken


def _timed(run: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def summary(taken: dict[str, list[float]], reference: str = "deterministic") -> dict[str, dict[str, float]]:
    """Best time, and the median over rounds of the ratio to the reference of the same round."""
    return {
        name: {
            "seconds": min(values),
            "ratio": statistics.median(a / b for a, b in zip(values, taken[reference], strict=True)),
        }
        for name, values in taken.items()
    }


def peak_memory_mb(network: str, variant: str, kind: str, shape: tuple[int, ...], device: str) -> float:
    """Peak memory of one run above what stood before it, in a process of its own, in MB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak, (network, variant, kind, shape, device))


def _peak(network: str, variant: str, kind: str, shape: tuple[int, ...], device: str) -> float:
    model, x = subjects.make(network, variant).to(device), subjects.image(shape).to(device)
    small = subjects.image((1, 1, *(model.size_divisor * 2,) * 3)).to(device)
    prepare = getattr(subjects, kind)
    prepare(model, small)()  # libraries allocate their own buffers at first use
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        prepare(model, x)()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = _status("VmRSS")
    prepare(model, x)()
    return (_status("VmHWM") - before) / 2**10


def _status(field: str) -> int:
    """A memory figure of this process in kB, as Linux tells it (`getrusage` would tell the parent's peak)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def as_json(rows: list[dict]) -> str:
    """Rows with the machine they were measured on."""
    machine = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n"
