"""A ComfyUI server as a process of its own: started, asked over HTTP and websocket, stopped.

Imports nothing of ComfyUI. Listening to a prompt needs the package websocket-client.
"""

from .client import Client, Event, Json, Run, RunResult
from .server import ComfyServer

__all__ = ["Client", "ComfyServer", "Event", "Json", "Run", "RunResult"]
