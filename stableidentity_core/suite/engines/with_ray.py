"""Workers on a cluster, or several on one machine, by Ray: it places, restarts and retries them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ...errors import StableIdentityError
from ...optional import optional_import
from ..spec import Suite
from ..tasks import Task
from .base import Failure, Job, Outcome, Question, Worker, answered

PACK = Path(__file__).resolve().parents[3]
RETRIES = 1  # of a task whose worker has died


class WithRay:
    """As many workers as there are GPUs in the cluster, or as are asked for on processors.

    The evaluation's folder and the pack must lie at the same place on all machines, as on a shared disk.

    Args:
        workers: how many; None: one on each GPU, or one in all where there is none.
        device: `cuda` for the GPUs of the cluster; anything else is used as it is on each machine.
        address: of the cluster; None: RAY_ADDRESS, or a new one on this machine.

    Raises:
        MissingPackageError: Ray is not installed.
        StableIdentityError: more workers than the cluster has GPUs.
    """

    def __init__(self, suite: Suite, device: str, workers: int | None = None, address: str | None = None):
        ray = optional_import("ray", feature="a cluster", install='pip install "ray>=2.40"')
        self._ray, self._own, self._actors = ray, not ray.is_initialized(), list[Any]()
        if self._own:
            path = os.pathsep.join(filter(None, [str(PACK), os.environ.get("PYTHONPATH")]))
            environment = {"PYTHONPATH": path, "OMP_NUM_THREADS": str(suite.threads)}
            ray.init(
                address=address or os.environ.get("RAY_ADDRESS"),
                runtime_env={"env_vars": environment},
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
        on_gpu, gpus = device.startswith("cuda"), int(ray.cluster_resources().get("GPU", 0))
        if on_gpu and (workers or 1) > gpus:  # they would be waited for without end
            self.__exit__(None, None, None)
            raise StableIdentityError(f"The cluster has {gpus} GPUs, needed one for each of {workers or 1} workers.")
        self.workers = workers or (gpus if on_gpu else 1)
        # Ray gives each worker its GPU as the only one that it sees.
        made = ray.remote(max_restarts=-1, max_task_retries=RETRIES, num_gpus=int(on_gpu), num_cpus=1)(Worker)
        device = "cuda" if on_gpu else device
        self._actors += [made.remote(suite, device) for _ in range(self.workers)]

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        pool = self._ray.util.ActorPool(self._actors)
        for task in tasks:
            pool.submit(lambda actor, task: actor.do_named.remote(job, task), task)
        left = dict.fromkeys(tasks)
        while pool.has_next():
            try:
                task, outcome = pool.get_next_unordered()
            except self._ray.exceptions.RayError:  # which does not say of which task
                continue
            left.pop(task)
            yield task, outcome
        for task in left:
            yield task, Failure(f"its worker died {RETRIES + 1} times; was there enough memory?")

    def ask(self, question: Question) -> Any:
        try:
            return answered(self._ray.get(self._actors[0].answer.remote(question)))
        except self._ray.exceptions.RayError as error:
            raise StableIdentityError(f"A worker of the cluster died while it opened the models: {error}") from error

    def __enter__(self) -> WithRay:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        if self._own:
            self._ray.shutdown()
