"""Help pages and the sample's result are those that are kept (`make goldens` writes them anew)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from goldens import GOLDENS, HELP, REPORT, help_pages, sample_report

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""Another processor or another build of PyTorch may round otherwise."""


def leaves(value: object, place: str = "") -> dict[str, object]:
    """The numbers and texts of a JSON value, by their place in it."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    found = {} if isinstance(value, dict | list) else {place: value}
    for key, child in children:
        found |= leaves(child, f"{place}/{key}")
    return found


def test_help_pages_are_those_that_are_kept():
    assert help_pages() == (GOLDENS / HELP).read_text("utf-8")


def test_report_of_the_sample_is_the_one_that_is_kept(tmp_path: Path):
    kept, now = (
        leaves(each)
        for each in (json.loads((GOLDENS / REPORT).read_text("utf-8")), sample_report(tmp_path / "out"))
    )
    numbers = {place for place, value in kept.items() if isinstance(value, float)}
    assert {place: now.get(place) for place in numbers} == pytest.approx(
        {place: kept[place] for place in numbers}, rel=RELATIVE, abs=ABSOLUTE
    )
    kept_words, now_words = ({p: v for p, v in each.items() if p not in numbers} for each in (kept, now))
    kept_words.pop("/mask_sha256"), now_words.pop("/mask_sha256")
    assert now_words == kept_words
