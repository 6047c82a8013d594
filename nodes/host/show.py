"""Showing something on the running node before it has ended, or although it fails."""

from __future__ import annotations

from typing import Any

from comfy_execution.utils import get_executing_context
from server import PromptServer


def show_now(output: dict[str, Any]) -> None:
    """Send what a node that succeeds returns as `ui`; the host itself sends nothing for one that fails."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None or server.client_id is None:
        return
    node = context.node_id
    shown = {"node": node, "display_node": node, "output": output, "prompt_id": context.prompt_id}
    server.send_sync("executed", shown, server.client_id)
