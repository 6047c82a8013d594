"""Outputs that have no value in a run."""

from __future__ import annotations

from comfy_execution.graph_utils import ExecutionBlocker


def blocked(why: str | None) -> ExecutionBlocker:
    """In place of an output: nodes that take it do not run and show `why`, all others go on."""
    return ExecutionBlocker(why)
