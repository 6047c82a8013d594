"""Outputs without a value in the current run."""

from __future__ import annotations

from comfy_execution.graph_utils import ExecutionBlocker


def blocked(why: str | None) -> ExecutionBlocker:
    """A placeholder for an output: nodes connected to it do not run and show `why`; all others run."""
    return ExecutionBlocker(why)
