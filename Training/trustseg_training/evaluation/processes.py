"""Work over several processes of this machine, any of which the system may end."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

from TrustSegLib.errors import TrustSegError


def in_processes(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int,
    remedy: str,
    start: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Any]]:
    """Do the work in new processes, and answer what is ready first.

    Parameters
    ----------
    work : callable
        Of one item; it and the items are pickled.
    items : sequence
        No more of them than there are processes are under way, so that after an error nothing else begins.
    jobs : int
        Processes at a time.
    remedy : str
        What to do when the system ends a process, for the message.
    start : callable, optional
        Called once in each process; it should not fail, for its error would not be seen.
    arguments : tuple
        Of ``start``.

    Yields
    ------
    tuple of int and object
        Place of an item, and what came of it.

    Raises
    ------
    TrustSegError
        The system has ended a process; a pool of `multiprocessing` would wait for it for ever.
    Exception
        As an item's work raised it; those that are under way are done first.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(max(min(jobs, len(items)), 1), context, _begin, (start, arguments))
    try:
        yield from _in_turns(pool, work, items, jobs)
    except BrokenProcessPool as error:
        ended = "a process was ended by the system, which may have too little memory"
        raise TrustSegError(f"{ended}; {remedy}") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal: it should end this one at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if start is not None:
        start(*arguments)


def _in_turns(
    pool: ProcessPoolExecutor, work: Callable[[Any], Any], items: Sequence[Any], jobs: int
) -> Iterator[tuple[int, Any]]:
    waiting = enumerate(items)

    def submitted(most: int) -> dict[Future, int]:
        return {pool.submit(work, item): place for place, item in islice(waiting, most)}

    running = submitted(jobs)
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        ready = [(running.pop(each), each.result()) for each in done]
        running |= submitted(len(ready))
        yield from ready
