"""Text in a picture, for image names in any script and of any length."""

from __future__ import annotations

from functools import lru_cache

from matplotlib import font_manager

BASE_FAMILY = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek and Cyrillic."""
OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
)
"""Fonts that the systems in use bring along; those that are installed are asked after the base family."""


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """List the installed font families to draw text with, in order of preference."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return BASE_FAMILY, *(name for name in OTHER_SCRIPTS if name in installed)


def printable(text: str) -> str:
    """Replace what no installed font can draw by "?", instead of an empty box and a warning."""
    return "".join(character if ord(character) in _drawable() else "?" for character in text)


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text of more than `length` characters: file names differ at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    characters: set[int] = set()
    for family in families():
        characters.update(font_manager.get_font(font_manager.findfont(family)).get_charmap())
    return frozenset(code for code in characters if code >= 32)
