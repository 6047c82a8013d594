"""One process for each device of this machine."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from ...errors import StableIdentityError
from ..spec import Suite
from ..tasks import Task
from .base import Failure, Job, Outcome, Question, Worker, answered

DIED = "its process died; was there enough memory?"
_worker: Worker | None = None  # of this process, if it is one of the pool


class Processes:
    """A process on each of the devices, which are named as torch names them, such as `cuda:1`."""

    def __init__(self, suite: Suite, devices: Sequence[str]):
        self._suite, self._devices = suite, devices
        self.workers = len(devices)
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        waiting = context.SimpleQueue()
        for device in self._devices:
            waiting.put(device)
        arguments = (self._suite, waiting)
        pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start, initargs=arguments)
        # The pool watches the processes that it had when it last heard of one. A later one could die unseen, so that
        # all are started before the first task.
        started = wait([pool.submit(_nothing) for _ in range(self.workers)]).done
        if any(future.exception() for future in started):
            pool.shutdown()
            raise StableIdentityError(f"A process could not be started: {DIED}")
        return pool

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """When a process dies, the whole pool ends: what ran in it is done again, each alone, to see who was it."""
        suspects = list[Task]()
        yield from self._run(job, tasks, self.workers, suspects)
        for task in suspects:
            yield from self._run(job, [task], 1, [])

    def _run(
        self, job: Job, tasks: Sequence[Task], at_once: int, suspects: list[Task]
    ) -> Iterator[tuple[Task, Outcome]]:
        """No more tasks are handed out than can run; when one of several has ended the pool, all become suspects."""
        waiting, running = deque(tasks), dict[Future[Outcome], Task]()
        while waiting or running:
            try:
                while waiting and len(running) < at_once:
                    running[self._pool.submit(_do, job, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    yield running.pop(future), outcome
            except BrokenProcessPool:
                if len(running) == 1:
                    yield running.popitem()[1], Failure(DIED)
                suspects += running.values()
                running.clear()
                self._pool.shutdown()
                self._pool = self._started()

    def ask(self, question: Question) -> Any:
        try:
            return answered(self._pool.submit(_answer, question).result())
        except BrokenProcessPool as error:
            raise StableIdentityError(f"The models and photos could not be opened: {DIED}") from error

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)


def _start(suite: Suite, waiting: Any) -> None:
    global _worker
    _worker = Worker(suite, waiting.get())


def _nothing() -> None: ...


def _do(job: Job, task: Task) -> Outcome:
    assert _worker is not None
    return _worker.do(job, task)


def _answer(question: Question) -> Any:
    assert _worker is not None
    return _worker.answer(question)
