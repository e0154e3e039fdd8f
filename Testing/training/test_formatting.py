"""How numbers, lists and tables are written."""

from __future__ import annotations

import pytest

from trustseg_training import formatting


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formatting.share, 0.8424, ".842"),
        (formatting.share, 1.0, "1.000"),
        (formatting.share, -0.0171, "\N{MINUS SIGN}.017"),
        (formatting.share, -0.0001, ".000"),
        (formatting.share, None, "\N{EN DASH}"),
        (formatting.difference, 0.02, "+.020"),
        (formatting.difference, 0.0001, ".000"),
        (formatting.decimal, 0.84249, "0.842"),
        (formatting.decimal, None, "\N{EN DASH}"),
        (formatting.p_value, 0.0009, "<.001"),
        (formatting.change, -7e-8, "0.0 %"),
        (formatting.change, -0.05, "\N{MINUS SIGN}5.0 %"),
    ],
)
def test_numbers_are_written_without_false_signs(write, value, text):
    assert write(value) == text


def test_interval_follows_its_value_where_there_is_one():
    known = {"value": 0.9, "low": 0.85, "high": 0.95}
    assert formatting.with_interval(known) == ".900 [.850, .950]"
    assert formatting.with_interval(known, formatting.decimal) == "0.900 [0.850, 0.950]"
    assert formatting.with_interval({**known, "low": None}) == ".900"
    assert formatting.with_interval(None) == formatting.with_interval({"value": None}) == formatting.MISSING


def test_markdown_table_has_heads_a_rule_and_rows():
    table = formatting.markdown_table(["a", "b"], [["1", ""], ["2", "x"]])
    assert table == "| a | b |\n| --- | --- |\n| 1 |  |\n| 2 | x |"
