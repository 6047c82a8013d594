"""Child processes that start in milliseconds with the pack imported, and can be killed at any moment."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

# With what the pack and its libraries import only once it is needed.
PRELOADED = (
    "stableidentity_core.cli.photos",
    "stableidentity_core.cli.projector",
    "stableidentity_core.cli.score",
    "stableidentity_core.cli.train",
    "stableidentity_core.cli.trained",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
    "transformers.models.vit.modeling_vit",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "campaign.acts",
    "campaign.generated",
)


@functools.cache
def context() -> Any:
    """Children are forked from a clean process that has imported the pack and computed nothing."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(list(PRELOADED))
    return made


def start(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Run target(connection, *arguments) in a child.

    Returns:
        The child, and our end of its connection, which gives EOFError once the child is dead.
    """
    ours, theirs = context().Pipe()
    child = context().Process(target=_quiet, args=(target, theirs, *arguments), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def kill(child: BaseProcess) -> None:
    """SIGKILL, as a power cut or an impatient user; waits until it is gone."""
    if child.is_alive() and child.pid:
        with suppress(ProcessLookupError):  # it has ended since
            os.kill(child.pid, signal.SIGKILL)
    child.join()


def _quiet(target: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    """What the pack prints is no part of the table."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a killed child leaves behind
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    target(connection, *arguments)
