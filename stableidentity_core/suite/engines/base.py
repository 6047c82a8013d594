"""What an engine is, and what each of its workers does."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

import torch

from ...console.streams import get_logger
from ...errors import StableIdentityError
from ..bench import Bench
from ..spec import Suite
from ..tasks import Task

log = get_logger(__name__)
Job = Callable[[Bench, Task], float]
Question = Callable[[Bench], Any]


@dataclass(frozen=True)
class Failure:
    """Why a task could not be done."""

    reason: str


Outcome = float | Failure  # seconds that the task took, or why it failed


class Engine(Protocol):
    """Workers, each with a bench of its own; a context manager that ends them."""

    workers: int

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Do the tasks, in any order; a task that fails does not end the others."""
        ...

    def ask(self, question: Question) -> Any:
        """Ask one worker's bench.

        Raises:
            StableIdentityError: it cannot answer, as when a model is missing.
        """
        ...


class Worker:
    """One bench on one device, which is opened when it is first needed: what is wrong with a suite is said then."""

    def __init__(self, suite: Suite, device: str):
        self._suite, self._device = suite, device

    @cached_property
    def bench(self) -> Bench:
        return open_bench(self._suite, self._device)

    def do(self, job: Job, task: Task) -> Outcome:
        return self._attempt(lambda: job(self.bench, task), str(task))

    def do_named(self, job: Job, task: Task) -> tuple[Task, Outcome]:
        """For engines that give back outcomes in any order."""
        return task, self.do(job, task)

    def answer(self, question: Question) -> Any:
        """The answer, or a Failure."""
        return self._attempt(lambda: question(self.bench), "opening the models and photos")

    def _attempt(self, act: Callable[[], Any], what: str) -> Any:
        """What an act gives; what goes wrong in it is a Failure, but for a keyboard interrupt."""
        try:
            return act()
        except StableIdentityError as error:
            return Failure(str(error))
        except Exception as error:
            log.debug("%s: %s", what, traceback.format_exc())
            return Failure(f"{type(error).__name__}: {error}")


def answered(answer: Any) -> Any:
    """What a worker has answered.

    Raises:
        StableIdentityError: it could not.
    """
    if isinstance(answer, Failure):
        raise StableIdentityError(answer.reason)
    return answer


def open_bench(suite: Suite, device: str) -> Bench:
    """The bench of a suite's world. Loads no network yet.

    Raises:
        StableIdentityError: what the suite says of its world cannot be used.
    """
    if torch.device(device).type == "cpu":
        torch.set_num_threads(suite.threads)
    if suite.world == "mini world":
        pack = __name__.rpartition("stableidentity_core")[0]  # inside ComfyUI, the pack's name and a dot
        return import_module(f"{pack}mini_world.evaluation").MiniWorldBench(suite, device)
    return import_module("...photos", __name__).PhotoBench(suite, device)
