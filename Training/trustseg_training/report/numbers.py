"""How numbers are written: the same in sentences, tables and plots."""

from __future__ import annotations

from collections.abc import Mapping

MISSING = "\N{EN DASH}"


def share(value: float | None) -> str:
    """A number of [0, 1], or a difference of two, with three places and without the zero: ``.842``."""
    if value is None:
        return MISSING
    text = f"{abs(value):.3f}"
    sign = "\N{MINUS SIGN}" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0") else text)


def difference(value: float | None) -> str:
    """As `share`, with a plus where it is positive."""
    text = share(value)
    return f"+{text}" if value is not None and value > 0 and float(f"{value:.3f}") else text


def length(value: float | None) -> str:
    """A length in mm with two places."""
    return MISSING if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """A share in percent with one place."""
    return MISSING if value is None else f"{100 * value:.1f} %".replace("-", "\N{MINUS SIGN}")


def change(value: float | None) -> str:
    """A relative change in percent, with its sign."""
    if value is None:
        return MISSING
    text = f"{100 * value:+.1f} %"
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text.replace("-", "\N{MINUS SIGN}")


def p_value(value: float | None) -> str:
    """With three places; what is smaller is said to be."""
    if value is None:
        return MISSING
    return "<.001" if value < 0.001 else share(value)


def interval(mean: Mapping[str, float | None], write=share) -> str:
    """``[low, high]``; nothing where there is none."""
    if mean.get("low") is None or mean.get("high") is None:
        return ""
    return f"[{write(mean['low'])}, {write(mean['high'])}]"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 patient``, ``5 patients``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
