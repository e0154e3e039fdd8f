"""How far a command is: a bar on the terminal, or news for a command that joins several others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

Listener = Callable[[str, float], None]
"""Takes the title of what is counted, and the share of it that is done, from 0 to 1."""

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def counted(
    items: Iterable[Item], title: str, total: int | None = None, unit: str = "image"
) -> Iterator[Item]:
    """Go through items with a bar on the terminal, or tell the listener of `reported_to`.

    Parameters
    ----------
    items : iterable
        Passed on one by one.
    title : str
        Stands before the bar.
    total : int, optional
        Number of items, where they have no length.
    unit : str
        Name of an item.
    """
    listener = _LISTENER.get()
    if listener is None:
        yield from tqdm(items, desc=title, total=total, unit=unit, disable=None)
        return
    count = len(items) if total is None else total
    for done, item in enumerate(items, start=1):
        yield item
        listener(title, done / max(count, 1))


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Within this context, `counted` draws no bars but tells ``listener``."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
