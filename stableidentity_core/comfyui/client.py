"""A small synchronous client for ComfyUI's HTTP and websocket API."""

from __future__ import annotations

import json
import mimetypes
import struct
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import HostError, StableIdentityError

Json = dict[str, Any]
PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 3, 4  # ComfyUI's BinaryEventTypes


@dataclass(frozen=True, kw_only=True)
class Event:
    kind: str
    data: Json
    at: float  # time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Preview:
    mime: str
    image: bytes
    node: str | None


@dataclass(kw_only=True)
class RunResult:
    """The outcome of one prompt; status is success, error, interrupted or rejected (all of it, by validation)."""

    prompt_id: str = ""
    status: str = ""
    error: str = ""
    node_errors: Json = field(default_factory=dict)
    outputs: Json = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)  # shown on nodes: (node, text)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    @property
    def refused(self) -> bool:
        """Whether nodes were refused before anything ran; what does not need them may have run nevertheless."""
        return self.status == "rejected" or bool(self.node_errors)

    @property
    def executed_nodes(self) -> set[str]:
        return {event.data["node"] for event in self.of("executing") if event.data.get("node")}

    @property
    def cached_nodes(self) -> set[str]:
        return {node for event in self.of("execution_cached") for node in event.data["nodes"]}


class Client:
    def __init__(self, address: str) -> None:
        self.address = address

    def request(self, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        """GET, or POST if there is a body; returns the status and content, also of an HTTP error."""
        message = urllib.request.Request(f"http://{self.address}{path}", data=body, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(message, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str) -> Any:
        status, text = self.request(path)
        if status != 200:
            raise HostError(f"ComfyUI answered GET {path} with HTTP {status}, needed 200: {text[:300]!r}")
        return json.loads(text)

    def post(self, path: str, body: Json) -> tuple[int, Json]:
        status, text = self.request(path, json.dumps(body).encode())
        try:
            return status, json.loads(text) if text else {}
        except ValueError:
            return status, {"error": text.decode(errors="replace")}

    def upload_image(self, path: Path) -> str:
        """Upload a picture to the server's input folder; returns its name there."""
        boundary = uuid.uuid4().hex
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        status, text = self.request("/upload/image", body, f"multipart/form-data; boundary={boundary}")
        if status != 200:
            raise HostError(f"ComfyUI did not accept {path.name}: HTTP {status}, needed 200: {text[:300]!r}")
        return json.loads(text)["name"]


class Run:
    """One queued prompt: its events as they arrive, then its result.

    Raises:
        HostError: the connection was lost, or an event did not arrive in time (also raised by its methods).
    """

    def __init__(self, client: Client, prompt: Json) -> None:
        self.client, self.result = client, RunResult()
        websocket, name = _websocket(), uuid.uuid4().hex
        try:
            self.socket = websocket.create_connection(f"ws://{client.address}/ws?clientId={name}", timeout=30)
            # Like the real frontend: previews then name the node they belong to.
            flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
            self.socket.send(json.dumps(flags))
        except (websocket.WebSocketException, OSError) as error:
            raise HostError(f"ComfyUI accepts no websocket connection ({error}).") from error
        status, answer = client.post("/prompt", {"prompt": prompt, "client_id": name})
        self.result.prompt_id = answer.get("prompt_id", "")
        self.result.node_errors = answer.get("node_errors") or {}
        if status != 200:
            self._reject(status, answer)

    def _reject(self, status: int, answer: Json) -> None:
        reason = answer.get("error") or f"HTTP {status}"
        self.result.error = f"{reason['message']} {reason.get('details', '')}" if isinstance(reason, dict) else reason
        self._end("rejected")

    def _end(self, status: str) -> None:
        self.result.status = status
        self.socket.close()

    def wait_for(self, *kinds: str, timeout: float = 60) -> Event | None:
        """The next event of one of these kinds; None if the prompt ends first."""
        limit = time.monotonic() + timeout
        while not self.result.status:
            event = self._next(limit)
            if event and event.kind in kinds:
                return event
        return None

    def finish(self, timeout: float = 120) -> RunResult:
        self.wait_for(timeout=timeout)
        return self.result

    def _next(self, limit: float) -> Event | None:
        websocket, left = _websocket(), limit - time.monotonic()
        try:
            if left <= 0:
                raise websocket.WebSocketTimeoutException
            self.socket.settimeout(left)
            message = self.socket.recv()
        except websocket.WebSocketTimeoutException:
            seen = [event.kind for event in self.result.events]
            raise HostError(f"Prompt {self.result.prompt_id} timed out; the last events: {seen[-20:]}.") from None
        except (websocket.WebSocketException, OSError) as error:
            raise HostError(f"ComfyUI closed the connection during a prompt ({error}).") from error
        if isinstance(message, bytes):
            self.result.previews.extend(read_preview(message))
            self.result.texts.extend(read_text(message))
            (kind,) = struct.unpack(">I", message[:4])
            return Event(kind="text" if kind == TEXT else "preview", data={}, at=time.monotonic())
        return self._take(json.loads(message))

    def _take(self, message: Json) -> Event | None:
        event = Event(kind=message["type"], data=message.get("data") or {}, at=time.monotonic())
        if event.data.get("prompt_id") != self.result.prompt_id:
            return None
        self.result.events.append(event)
        if event.kind == "execution_error":
            self.result.error = f"{event.data.get('exception_type')}: {event.data.get('exception_message')}"
        if event.kind == "executing" and event.data.get("node") is None:  # the last event; the history is complete
            self._conclude()
        return event

    def _conclude(self) -> None:
        kinds = {event.kind for event in self.result.events}
        ends = {"execution_error": "error", "execution_interrupted": "interrupted", "execution_success": "success"}
        history = self.client.get(f"/history/{self.result.prompt_id}")
        self.result.outputs = history.get(self.result.prompt_id, {}).get("outputs", {})
        self._end(next((status for kind, status in ends.items() if kind in kinds), "unknown"))


def _websocket() -> Any:
    try:
        import websocket
    except ImportError as error:
        raise StableIdentityError(
            "Following a prompt in ComfyUI needs the package websocket-client. Run: pip install websocket-client"
        ) from error
    return websocket


def read_preview(message: bytes) -> Iterable[Preview]:
    kind, word = struct.unpack(">II", message[:8])
    if kind == PREVIEW:
        yield Preview(mime="image/png" if word == 2 else "image/jpeg", image=message[8:], node=None)
    elif kind == PREVIEW_WITH_METADATA:
        about = json.loads(message[8 : 8 + word])
        yield Preview(mime=about["image_type"], image=message[8 + word :], node=about.get("node_id"))


def read_text(message: bytes) -> Iterable[tuple[str, str]]:
    kind, length = struct.unpack(">II", message[:8])
    if kind == TEXT:
        yield message[8 : 8 + length].decode(), message[8 + length :].decode()
