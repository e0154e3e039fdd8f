"""`make bench`: the cost of carrying a variance, against the deterministic twin in the same run.

Writes ``bench.json`` and ``bench.md`` into the folder given, and prints the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measure
import subjects
import torch

#: Two patches at a time, as the sliding window does on a CPU: one alone falls into a slow convolution.
CASES = [
    ("inference", (2, 1, 64, 64, 64)),
    ("inference", (2, 1, 96, 96, 96)),
    ("training_step", (4, 1, 40, 56, 40)),
]

#: To see that everything runs, not how fast.
QUICK_CASES = [("inference", (2, 1, 32, 32, 32)), ("training_step", (2, 1, 32, 32, 32))]


def cases_of(network: str, quick: bool) -> list[tuple[str, tuple[int, ...]]]:
    """The cases, each size rounded up to what the network's depth can halve."""
    divisor = subjects.NETWORKS[network].size_divisor
    return [
        (kind, (*shape[:2], *(-(-size // divisor) * divisor for size in shape[2:])))
        for kind, shape in (QUICK_CASES if quick else CASES)
    ]


def rows_of(
    network: str, kind: str, shape: tuple[int, ...], device: str, rounds: int, variants
) -> list[dict]:
    """Measure one case: all variants side by side."""
    x = subjects.image(shape).to(device)
    runs = {}
    for variant in variants:
        model = subjects.make(network, variant).to(device)
        runs[variant] = getattr(subjects, kind)(model, x)
    times = measure.summary(measure.times(runs, rounds, device))
    memory = {variant: measure.peak_memory_mb(network, variant, kind, shape, device) for variant in variants}
    return [
        {
            "device": device,
            "network": network,
            "kind": kind,
            "shape": list(shape),
            "variant": variant,
            **times[variant],
            "memory_mb": memory[variant],
            "memory_ratio": _ratio(memory[variant], memory["deterministic"]),
        }
        for variant in variants
    ]


def _ratio(value: float, reference: float) -> float | None:
    """None where the reference is too small to be seen."""
    return value / reference if reference else None


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| device | network | what | shape | variant | s | time ratio | MB | memory ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shape = "x".join(str(size) for size in row["shape"])
        lines.append(
            f"| {row['device']} | {row['network']} | {row['kind'].replace('_', ' ')} | {shape} "
            f"| {row['variant']} | {row['seconds']:.3f} | {row['ratio']:.2f} "
            f"| {row['memory_mb']:.0f} | {_cell(row['memory_ratio'])} |"
        )
    return "\n".join(lines) + "\n"


def _cell(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def main() -> None:
    """Measure every case on the CPU and on a GPU where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("Testing/benchmarks/results"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--variants", nargs="+", default=["deterministic", "taylor", "exact"], choices=subjects.VARIANTS
    )
    parser.add_argument("--quick", action="store_true", help="one network, tiny patches: whether it runs")
    options = parser.parse_args()
    rows: list[dict] = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for network in list(subjects.NETWORKS)[: 1 if options.quick else None]:
            for kind, shape in cases_of(network, options.quick):
                rows += rows_of(network, kind, shape, device, options.rounds, options.variants)
                print(*table(rows).splitlines()[-len(options.variants) :], sep="\n", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.json").write_text(measure.as_json(rows), encoding="utf-8")
    (options.output / "bench.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
