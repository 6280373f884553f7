"""Crews: who does the tasks of a folder, many at a time on this machine.

Threads around one engine read, fill and write different pictures at the same time. Processes have
an engine each. Either keeps a few tasks more at hand than it works on, however many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import TypeAlias

from swapfill.engines.numpy_threads import thread_count
from swapfill.folders import Folders
from swapfill.inpainter import Inpainter
from swapfill.picture_task import How, Outcome, PictureWorker, Run, Task, Worker

Job: TypeAlias = "tuple[Folders, Run]"
UnderWay: TypeAlias = "dict[Future[Outcome], Task]"

# Threads around one engine. On a CPU one fills while others read, plan, blend and write; an
# accelerator is fed by so many that their windows fill its lots.
_THREADS_ON_CPU = 4
_THREADS_ON_ACCELERATOR = 24


def by_threads(
    painter: Inpainter, folders: Folders, how: How, tasks: Iterator[Task]
) -> Iterator[Outcome]:
    """Do tasks in this process; outcomes come in the order in which they are ready."""
    on_cpu = painter.engine.device == "cpu"
    count = _THREADS_ON_CPU if on_cpu else _THREADS_ON_ACCELERATOR
    with painter.shared() as together, _pillow_is_quiet():
        worker = PictureWorker(together, folders, how)
        with _ended(ThreadPoolExecutor(count, "swapfill-picture")) as pool:
            under_way: UnderWay = {}
            for future in _as_ready(pool, worker, tasks, 2 * count, under_way):
                del under_way[future]
                yield future.result()


@contextmanager
def _pillow_is_quiet() -> Iterator[None]:
    """Silence warnings here: `decoding` does so for each picture, which is not for threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def by_processes(
    count: int, folders: Folders, how: Run, tasks: Iterator[Task]
) -> Iterator[Outcome]:
    """Do tasks in `count` processes, which share the cores; one that dies is replaced.

    What was under way when a process died is done again, one task at a time; one that takes its
    process with it again has failed.
    """
    while True:
        lost: list[Task] = []
        yield from _with_pool(count, 2 * count, (folders, how), tasks, lost)
        if not lost:
            return
        yield from _one_by_one((folders, how), iter(lost))


def _one_by_one(job: Job, tasks: Iterator[Task]) -> Iterator[Outcome]:
    while True:
        fatal: list[Task] = []
        yield from _with_pool(1, 1, job, tasks, fatal)
        if not fatal:
            return
        error = f"{fatal[0].name}: its process died twice: killed, or out of memory"
        yield Outcome(fatal[0].name, "failed", error=error)


def _with_pool(
    count: int, most: int, job: Job, tasks: Iterator[Task], lost: list[Task]
) -> Iterator[Outcome]:
    """Do tasks until all are done or a process dies; what was under way then is put into `lost`."""
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    threads = max(thread_count() // count, 1)
    under_way: UnderWay = {}
    with _ended(ProcessPoolExecutor(count, spawn, _start, (*job, threads))) as pool:
        for future in _as_ready(pool, _work, tasks, most, under_way):
            if isinstance(future.exception(), BrokenExecutor):
                break
            del under_way[future]
            yield future.result()
        for future, task in under_way.items():  # none, unless a process died
            if isinstance(future.exception(), BrokenExecutor):
                lost.append(task)
            else:
                yield future.result()


def _as_ready(
    pool: Executor,
    work: Callable[[Task], Outcome],
    tasks: Iterator[Task],
    most: int,
    under_way: UnderWay,
) -> Iterator[Future[Outcome]]:
    """Give the futures of tasks as they are ready; who takes one takes it out of `under_way` too.

    Tasks are drawn as there is room: no more than `most` are under way.
    """
    for task in tasks:
        under_way[_submitted(pool, work, task)] = task
        while len(under_way) >= most:
            yield from wait(under_way, return_when=FIRST_COMPLETED).done
    while under_way:
        yield from wait(under_way, return_when=FIRST_COMPLETED).done


def _submitted(pool: Executor, work: Callable[[Task], Outcome], task: Task) -> Future[Outcome]:
    try:
        return pool.submit(work, task)
    except BrokenExecutor as error:  # told like the others that the dead process took along
        broken: Future[Outcome] = Future()
        broken.set_exception(error)
        return broken


@contextmanager
def _ended(pool: Executor) -> Iterator[Executor]:
    """End a pool with the block, without what it has not begun."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_worker: Worker | None = None  # of a process that a pool started: it lives as long


def _start(folders: Folders, how: Run, threads: int) -> None:
    """Make a process of a pool ready."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the parent takes care
    # When another process dies the pool ends this one: what is half written goes with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Before an engine is loaded: PyTorch, ONNX Runtime and our own threads all go by it.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _worker = how.worker(folders)


def _end_with_parent() -> None:
    """End when the parent is killed: it cannot tell, and the pool's pipes would never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(task: Task) -> Outcome:
    assert _worker is not None
    return _worker(task)
