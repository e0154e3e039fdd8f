"""Tables of alarms: a row per structure as CSV, and a row per condition in Markdown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path

from trustseg_training.formatting import markdown_table, percent, share
from TrustSegLib.errors import output_error

from .assessment import Alarm

TABLE, SUMMARY = "alarms.csv", "alarms.md"

_HEADS = ("condition", "images", "mean DSC", "failed structures", "silent", "fine images", "false alarms")

_EXPLANATION = """\
A structure has failed if its DSC is below .8, or if the image hides a tenth of it or more; what is hidden
counts as missed. It failed silently if it has no flag and its case no warning. An image is fine if no
structure failed and nothing is hidden; a flag or a warning on it is a false alarm. Images that the
model refuses, or that are too small for a condition, are not counted.
"""


@dataclass(frozen=True)
class ConditionCounts:
    """Counts of one condition: structures that failed, of these silently; fine images, of these alarmed."""

    condition: str
    images: int
    mean_dsc: float
    failed: int
    silent: int
    fine: int
    false_alarms: int


def counts(alarms: Sequence[Alarm]) -> list[ConditionCounts]:
    """Count by condition, in the order in which the conditions come first."""
    found = []
    for condition in dict.fromkeys(alarm.condition for alarm in alarms):
        own = [alarm for alarm in alarms if alarm.condition == condition]
        images = [list(of) for _, of in groupby(own, key=lambda alarm: alarm.case)]
        failed = [alarm for alarm in own if alarm.failed]
        fine = [of for of in images if not any(alarm.failed or alarm.hidden for alarm in of)]
        found.append(
            ConditionCounts(
                condition,
                len(images),
                sum(alarm.dsc for alarm in own) / len(own),
                len(failed),
                sum(not alarm.said for alarm in failed),
                len(fine),
                sum(any(alarm.said for alarm in of) for of in fine),
            )
        )
    return found


def summary_table(alarms: Sequence[Alarm]) -> str:
    """Markdown of `counts`, with what they mean."""
    rows = [
        (
            each.condition,
            str(each.images),
            share(each.mean_dsc),
            str(each.failed),
            _with_share(each.silent, each.failed),
            str(each.fine),
            _with_share(each.false_alarms, each.fine),
        )
        for each in counts(alarms)
    ]
    return f"{markdown_table(_HEADS, rows)}\n\n{_EXPLANATION}"


def _with_share(number: int, of: int) -> str:
    return f"{number} ({percent(number / of)})" if of else str(number)


def write(alarms: Sequence[Alarm], output: Path) -> None:
    """Write `TABLE` and `SUMMARY` into a folder.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    names = [field.name for field in fields(Alarm)]
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (output / TABLE).open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, names)
            table.writeheader()
            table.writerows(map(asdict, alarms))
        (output / SUMMARY).write_text(summary_table(alarms), encoding="utf-8")
    except OSError as error:
        raise output_error(output, error, "choose another folder") from error
