"""The table of a study for people: what each network reaches, and what it costs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from trustseg_training.judging import Cost
from trustseg_training.judging.comparison import Line

from .definition import Study

#: Measures of the table, with their heads; all others are in the comparison.
COLUMNS = {"dice": "Dice", "hd95_mm": "HD95, mm"}


def markdown(study: Study, lines: Sequence[Line], costs: Mapping[str, Cost]) -> str:
    """The table.

    Parameters
    ----------
    study : Study
        What was carried out.
    lines : sequence of Line
        Of `compare`.
    costs : mapping of str to Cost
        By name.
    """
    structures = list(dict.fromkeys(line.structure for line in lines))
    head = [f"{structure}: {title}" for title in COLUMNS.values() for structure in structures]
    head = ["network", *head, "parameters", "s / volume", "x", "MB"]
    rows = [head, ["---"] * len(head), *(_row(name, lines, structures, costs) for name in study.compared)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# {study.title}\n\n{_explanation(study, lines)}\n\n{table}\n"


def _row(name: str, lines: Sequence[Line], structures: list[str], costs: Mapping[str, Cost]) -> list[str]:
    values = {(line.structure, line.measure): line for line in lines if line.model == name}
    cells = [_cell(values.get((structure, measure))) for measure in COLUMNS for structure in structures]
    cost, first = costs[name], next(iter(costs.values()))
    memory = "" if cost.memory_mb is None else f"{cost.memory_mb:.0f}"
    ratio = f"{cost.seconds / first.seconds:.2f}"
    return [name, *cells, f"{cost.parameters:,}", f"{cost.seconds:.3f}", ratio, memory]


def _cell(line: Line | None) -> str:
    if line is None:
        return ""
    digits = 3 if line.measure == "dice" else 2
    text = f"{line.mean.value:.{digits}f}"
    if line.mean.low is None:
        return text
    return f"{text} [{line.mean.low:.{digits}f}, {line.mean.high:.{digits}f}]"


def _explanation(study: Study, lines: Sequence[Line]) -> str:
    epochs = {name: configuration.epochs for name, configuration in study.networks.items()}
    budgets = ", ".join(f"{name} {count}" for name, count in epochs.items())
    patients = max(line.patients for line in lines)
    judged = "the last epoch" if study.checkpoint == "last" else "the best epoch on the validation patients"
    text = (
        f"Mean over {patients} patients that trained nothing, with its 95 % interval (bootstrap over them); "
        f"weights of {judged}. Time and memory: segmenting one volume on the CPU, the models in turn; x is "
        f"the time over that of {study.compared[0]}. Differences and their intervals: "
        f"[comparison.md](comparison.md). Epochs: {budgets}."
    )
    return textwrap.fill(text, 110, break_on_hyphens=False)
