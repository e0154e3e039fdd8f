"""Counts of silent failures and false alarms, by hand."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from trustseg_training.alarms.assessment import Alarm
from trustseg_training.alarms.tables import SUMMARY, TABLE, ConditionCounts, counts, summary_table, write
from TrustSegLib.errors import OutputError

FINE = Alarm("p1", "c1", "clean", "Front", 0.9, 0.0, 1.0, 1.1, 0.88, "", "", False)
FAILED = replace(FINE, structure="Back", dsc=0.5, failed=True)


def test_failure_without_flag_and_warning_is_silent():
    alarms = [
        FAILED,
        replace(FAILED, case="c2", flag="likely to fail"),
        replace(FAILED, case="c3", warnings="unlike the training"),
    ]
    (found,) = counts(alarms)
    assert (found.failed, found.silent, found.fine) == (3, 1, 0)


def test_false_alarm_is_one_on_an_image_without_any_failure():
    alarms = [
        FINE,
        replace(FINE, structure="Back"),
        *(replace(FINE, case="c2", structure=name, warnings="w") for name in ("Front", "Back")),
        replace(FINE, case="c3", flag="f"),
        replace(FAILED, case="c3", flag="f"),
    ]
    (found,) = counts(alarms)
    assert found == ConditionCounts("clean", 3, pytest.approx((5 * 0.9 + 0.5) / 6), 1, 0, 2, 1)


def test_alarm_on_an_image_that_hides_something_is_not_false():
    (found,) = counts([replace(FINE, condition="cut-2mm", hidden=0.05, flag="border")])
    assert (found.fine, found.false_alarms) == (0, 0)


def test_conditions_keep_their_order_and_the_table_says_what_counts():
    text = summary_table([replace(FINE, condition=name) for name in ("clean", "motion-5", "cut-2mm")])
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:5]] == ["clean", "motion-5", "cut-2mm"]
    assert "failed silently" in text


def test_table_has_a_row_for_each_structure(tmp_path):
    write([FINE, FAILED], tmp_path / "new")
    with (tmp_path / "new" / TABLE).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["structure"], float(row["dsc"]), row["failed"]) for row in rows] == [
        ("Front", 0.9, "False"),
        ("Back", 0.5, "True"),
    ]
    assert (tmp_path / "new" / SUMMARY).read_text(encoding="utf-8") == summary_table([FINE, FAILED])


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write([FINE], tmp_path / "file")
