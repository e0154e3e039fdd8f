"""`index.html` of a batch: its cases, those first that need a person, with picture, figures and review."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from TrustSegLib.contract import (
    HTML_FILE,
    INTENDED_USE,
    OVERLAY_FILE,
    REVIEW_FILE,
    REVIEW_SCHEMA,
    WORKLIST_FILE,
    CaseRow,
    schema_prefix,
)
from TrustSegLib.report.files import write_atomically
from TrustSegLib.report.html_report import image_title

_POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"


class Need(NamedTuple):
    """Why a case needs a person."""

    title: str
    counted: str
    """After a number of cases."""
    kind: str
    """Class of the page's style."""


FAILED = Need("Not segmented", "not segmented", "failed")
FLAGGED = Need("Check first", "to check first", "flagged")
WARNED = Need("Check: the image differs", "to check as the image differs", "warned")
USUAL = Need("Nothing stands out", "in which nothing stands out", "usual")
NEEDS = (FAILED, FLAGGED, WARNED, USUAL)


def write_worklist(folder: Path, cases: Sequence[CaseRow], reports: Sequence[Mapping[str, Any]]) -> None:
    """Write the page into the folder of a batch.

    Parameters
    ----------
    folder : Path
        Of the batch.
    cases : sequence of CaseRow
        All cases, the worst first.
    reports : sequence of Mapping
        `report.json` of those that were segmented.

    Raises
    ------
    OutputError
        The page cannot be written.
    """
    page = worklist_page(folder, cases, reports)
    write_atomically(folder / WORKLIST_FILE, page.encode("utf-8", errors="xmlcharrefreplace"))


def worklist_page(folder: Path, cases: Sequence[CaseRow], reports: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: cases without a complete review first, among them those that need a person most.

    Parameters
    ----------
    folder, cases, reports
        As for `write_worklist`.
    """
    by_image = {report["image"]: report for report in reports}
    decided = {case.image: decided_items(case, by_image.get(case.image)) for case in cases}
    done = {image for image, (made, asked) in decided.items() if asked and made >= asked}
    ordered = sorted(cases, key=lambda case: (case.image in done, NEEDS.index(need_of(case))))
    cards = "".join(
        _card(folder, case, by_image.get(case.image), decided[case.image], case.image in done)
        for case in ordered
    )
    title = f"Worklist: {folder.resolve().name}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f'<header><span class="use">{escape(INTENDED_USE)}</span><h1>{escape(title)}</h1>'
        f"<p>{escape(_summary(cases, len(done)))}</p>{EXPLANATION}</header>\n"
        f"<main>{cards}</main></body></html>\n"
    )


def need_of(case: CaseRow) -> Need:
    """Why a case needs a person."""
    if case.error is not None:
        return FAILED
    if case.flags:
        return FLAGGED
    return WARNED if case.warnings else USUAL


def decided_items(case: CaseRow, report: Mapping[str, Any] | None) -> tuple[int, int]:
    """Count the structures and regions of a case with a decision in its `review.json`, and all of them.

    A review of another result, or of another program, does not count.
    """
    if case.error is not None or report is None:
        return 0, 0
    asked = len(report["structures"]) + len(report["regions"])
    review = _review(Path(case.folder) / REVIEW_FILE, report)
    return sum(bool(item.get("decision")) for item in review.values()), asked


def _review(path: Path, report: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        review = content["review"]
        is_ours = review["schema"].startswith(schema_prefix(REVIEW_SCHEMA))
        return review["items"] if is_ours and content["structures"] == report["structures"] else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # No review yet, or the file of another program.


def _summary(cases: Sequence[CaseRow], reviewed: int) -> str:
    counts = [sum(need_of(case) == need for case in cases) for need in NEEDS]
    parts = [f"{count} {need.counted}" for count, need in zip(counts, NEEDS, strict=True) if count]
    images = "1 image" if len(cases) == 1 else f"{len(cases)} images"
    return f"{images}: {', '.join(parts)}. Reviewed: {reviewed}."


def _card(
    folder: Path,
    case: CaseRow,
    report: Mapping[str, Any] | None,
    decided: tuple[int, int],
    is_done: bool,
) -> str:
    need, name = need_of(case), escape(image_title(case.image))
    if report is None:
        return (
            f'<article class="{need.kind}"><div class="text"><h2>{name}</h2>'
            f'<p class="need">{need.title}</p><p>{escape(case.error or "")}</p></div></article>\n'
        )
    place = quote(Path(os.path.relpath(case.folder, folder)).as_posix(), errors="surrogateescape")
    picture = (
        f'<a href="{place}/{HTML_FILE}"><img src="{place}/{OVERLAY_FILE}" loading="lazy" '
        f'alt="Mask and uncertainty on three slices of {name}"></a>'
    )
    kind = f"{need.kind} done" if is_done else need.kind
    return (
        f'<article class="{kind}">{picture}<div class="text">'
        f'<h2><a href="{place}/{HTML_FILE}">{name}</a></h2>'
        f'<p class="need">{"Reviewed" if is_done else need.title}</p>{_figures(report)}'
        f'{_remarks(case)}<p class="dim">{_review_state(decided)}</p></div></article>\n'
    )


def _figures(report: Mapping[str, Any]) -> str:
    """Volume with interval, and expected DSC, of each structure."""
    rows = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{row['volume_ml']:.2f}{_interval(row)}</td>"
        f"<td>{NOTHING if row['expected_dsc'] is None else format(row['expected_dsc'], '.2f')}</td></tr>"
        for row in report["structures"]
    )
    return f"<table><tr><th>Structure</th><th>ml</th><th>Expected DSC</th></tr>{rows}</table>"


NOTHING = "\N{EN DASH}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["volume_interval_ml"] is None:
        return ""
    low, high = row["volume_interval_ml"]
    return f" ({low:.2f}\N{EN DASH}{high:.2f})"


def _remarks(case: CaseRow) -> str:
    """Flags, then warnings; the report has them, too, so many are folded."""
    remarks = [f"<li>{escape(text)}</li>" for text in (*case.flags, *case.warnings)]
    if not remarks:
        return ""
    if len(remarks) == 1:
        return f"<ul>{remarks[0]}</ul>"
    return (
        f"<ul>{remarks[0]}</ul><details><summary>{len(remarks) - 1} more</summary>"
        f"<ul>{''.join(remarks[1:])}</ul></details>"
    )


def _review_state(decided: tuple[int, int]) -> str:
    made, asked = decided
    if not made:
        return f"{asked} structures and regions to decide on"
    return f"{made} of {asked} structures and regions decided"


EXPLANATION = (
    '<p class="dim">Order: what was not segmented; structures that probably failed or are cut off; images '
    "unlike those that the model was trained on; then the rest, each group by the expected DSC (Dice "
    "similarity coefficient, 1 is perfect overlap) of its worst structure; reviewed cases last. ml: volume "
    "of the mask, with its interval where one is calibrated. Where nothing stands out, a mask can be wrong, "
    "too.</p>"
)
STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: #fff; color: #1b1d21;
  font: 16px/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
.use { display: inline-block; background: #8a1c1c; color: #fff; padding: .1rem .6rem; font-weight: 700;
  letter-spacing: .06em; text-transform: uppercase; font-size: .8rem; }
h1 { font-size: 1.5rem; margin: .4rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .2rem 0; }
.dim { color: #5a5f69; font-size: .875rem; }
main { display: grid; gap: .75rem; margin-top: 1rem; }
article { display: flex; gap: 1rem; border: 1px solid #c9ccd2; border-left: .4rem solid #8a929e;
  padding: .75rem; break-inside: avoid; }
article.failed, article.flagged { border-left-color: #8a1c1c; }
article.warned { border-left-color: #c77700; }
article.done { border-left-color: #2f7d4f; background: #f5f7f6; }
.need { font-weight: 700; }
.failed .need, .flagged .need { color: #8a1c1c; }
.warned .need { color: #8a5200; }
article.done .need { color: #2f7d4f; }
img { display: block; width: 22rem; height: auto; background: #0b0b0d; }
.text { min-width: 0; flex: 1; }
table { border-collapse: collapse; font-size: .875rem; margin: .3rem 0; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; }
th, td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
ul { margin: .2rem 0; padding-left: 1.2rem; font-size: .875rem; overflow-wrap: anywhere; }
summary { cursor: pointer; font-size: .875rem; }
a { color: #0b57a4; }
@media (max-width: 48rem) { article { flex-direction: column; } img { width: 100%; } }
"""
