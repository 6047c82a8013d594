"""A ComfyUI server in its own process: start it, use it over HTTP and websocket, stop it.

Imports nothing from ComfyUI. Following a prompt needs the package websocket-client.
"""

from .client import Client, Event, Json, Run, RunResult
from .server import ComfyServer

__all__ = ["Client", "ComfyServer", "Event", "Json", "Run", "RunResult"]
