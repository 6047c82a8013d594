"""All tasks one after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from ..spec import Suite
from ..tasks import Task
from .base import Job, Outcome, Question, Worker, answered


class Local:
    """One worker on one device."""

    workers = 1

    def __init__(self, suite: Suite, device: str):
        self.worker = Worker(suite, device)

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        for task in tasks:
            yield task, self.worker.do(job, task)

    def ask(self, question: Question) -> Any:
        return answered(self.worker.answer(question))

    def __enter__(self) -> Local:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
