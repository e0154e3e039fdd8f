"""Work in several processes of this machine, any of which the system may kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from itertools import islice
from typing import Any

import torch

from TrustSegLib.errors import TrustSegError

#: How processes start: new, without the threads and locks of this one.
START = "spawn"


def in_processes(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int,
    remedy: str,
    start: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Any]]:
    """Work in new processes and yield each result as soon as it is ready.

    Parameters
    ----------
    work : callable
        Takes one item; it and the items are pickled.
    items : sequence
        Only as many as there are processes are submitted at a time, so that nothing else starts after an
        error.
    jobs : int
        Processes at a time.
    remedy : str
        What to do when the system kills a process, for the error message.
    start : callable, optional
        Called once in each process; it must not fail, as its error would be lost.
    arguments : tuple
        Of ``start``.

    Yields
    ------
    tuple of int and object
        Index of an item and its result.

    Raises
    ------
    TrustSegError
        The system killed a process; a pool of `multiprocessing` would wait for it forever.
    Exception
        The error of an item; those that are running finish first.
    """
    context = multiprocessing.get_context(START)
    pool = ProcessPoolExecutor(max(min(jobs, len(items)), 1), context, _begin, (start, arguments))
    try:
        yield from _in_turns(pool, work, items, jobs)
    except BrokenProcessPool as error:
        ended = "a process was ended by the system, which may have too little memory"
        raise TrustSegError(f"{ended}; {remedy}") from error
    finally:
        pool.shutdown(cancel_futures=True)


def with_model(
    model: Any,
    prepare: Callable[[Any], Any],
    work: Callable[[Any, Any], Any],
    items: Sequence[Any],
    jobs: int,
    remedy: str,
) -> Iterator[tuple[int, Any]]:
    """Work on items with a model that every process prepares once; a single job needs no process.

    Parameters
    ----------
    model : object
        Pickled as it is, before it is prepared.
    prepare : callable
        Makes the model ready, such as with its network in memory; a function of a module.
    work : callable
        Takes the prepared model and an item.
    items, jobs, remedy
        See `in_processes`. The processes share the computer's cores.

    Yields
    ------
    tuple of int and object
        Index of an item and its result.
    """
    if jobs == 1:
        yield from enumerate(map(partial(work, prepare(model)), items))
        return
    threads = max((os.cpu_count() or 1) // jobs, 1)
    yield from in_processes(partial(_with_own, work), items, jobs, remedy, _keep, (model, prepare, threads))


#: The model of a worker process, and how it is prepared; empty in the parent process.
_KEPT: list[tuple[Any, Callable[[Any], Any]]] = []


def _keep(model: Any, prepare: Callable[[Any], Any], threads: int) -> None:
    torch.set_num_threads(threads)
    _KEPT.append((model, prepare))


@cache
def _own() -> Any:
    """Prepared by the first item of a process: an error at its start would be lost."""
    model, prepare = _KEPT[0]
    return prepare(model)


def _with_own(work: Callable[[Any, Any], Any], item: Any) -> Any:
    return work(_own(), item)


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal: end this one at once, without a traceback.
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
