"""How numbers, lists and tables are written: the same in sentences, Markdown, HTML and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

MISSING = "\N{EN DASH}"

Format = Callable[[float | None], str]
"""From a number to its text; None is `MISSING`."""


def share(value: float | None) -> str:
    """A number of [0, 1], or a difference of two, with three decimals and no leading zero: ``.842``."""
    if value is None:
        return MISSING
    text = f"{abs(value):.3f}"
    sign = "\N{MINUS SIGN}" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0") else text)


def difference(value: float | None) -> str:
    """As `share`, with a plus where it is positive."""
    text = share(value)
    return f"+{text}" if value is not None and value > 0 and float(f"{value:.3f}") else text


def decimal(value: float | None, digits: int = 3, sign: str = "") -> str:
    """A number with a fixed number of decimals: ``0.842``; ``sign`` is that of a format specification."""
    return MISSING if value is None else f"{value:{sign}.{digits}f}"


def length(value: float | None) -> str:
    """A length in mm with two decimals."""
    return decimal(value, 2)


def percent(value: float | None) -> str:
    """A share in percent with one decimal."""
    return MISSING if value is None else f"{100 * value:.1f} %".replace("-", "\N{MINUS SIGN}")


def change(value: float | None) -> str:
    """A relative change in percent, with its sign."""
    if value is None:
        return MISSING
    text = f"{100 * value:+.1f} %"
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text.replace("-", "\N{MINUS SIGN}")


def p_value(value: float | None) -> str:
    """A p-value with three decimals, or ``<.001``."""
    if value is None:
        return MISSING
    return "<.001" if value < 0.001 else share(value)


def interval(mean: Mapping[str, float | None], write: Format = share) -> str:
    """``[low, high]``; empty without an interval."""
    if mean.get("low") is None or mean.get("high") is None:
        return ""
    return f"[{write(mean['low'])}, {write(mean['high'])}]"


def with_interval(mean: Mapping[str, float | None] | None, write: Format = share) -> str:
    """``value [low, high]``, the value alone without an interval, or `MISSING`."""
    if mean is None or mean.get("value") is None:
        return MISSING
    return f"{write(mean['value'])} {interval(mean, write)}".strip()


def ratio_band(ratio: Mapping[str, float] | None) -> str:
    """``median [low, high]`` of a variance ratio; None is that of no image."""
    if ratio is None:  # its scale was fitted on all images there are
        return "no other image"
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 patient``, ``5 patients``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at its end.

    Parameters
    ----------
    heads : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        As many cells in each row as there are columns.
    """
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
