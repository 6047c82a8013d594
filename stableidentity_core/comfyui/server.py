"""Start and stop a local ComfyUI server, isolated from the models and nodes installed in it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import HostError
from .client import Client, Json, Run, RunResult

ADDRESS = "127.0.0.1"
START_SECONDS = 240  # an idle machine takes 6 s
LOG_LINES = 25


class ComfyServer:
    """ComfyUI's `main.py` with its own folder for models, input, output, user data and custom nodes.

    Args:
        comfyui: ComfyUI's folder; nothing in it is changed.
        base: the server's own folder.
        packs: node packs to load, as {folder name: folder}; no others are loaded.
        options: additional arguments for main.py.
        port: None chooses a free one.
        cpu: compute on the CPU, and so alike everywhere; otherwise on the device that ComfyUI chooses.

    Raises:
        HostError: the server cannot be started; `start` then leaves no process running.
    """

    def __init__(
        self,
        comfyui: Path,
        base: Path,
        packs: Mapping[str, Path],
        options: Sequence[str | Path] = (),
        port: int | None = None,
        cpu: bool = True,
    ) -> None:
        self.cpu = cpu
        self.comfyui, self.base, self.packs, self.options, self.port = comfyui, base, dict(packs), options, port
        self.models, self.input, self.output, self.user = (
            base / name for name in ("models", "input", "output", "user")
        )
        self.log_file = base / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = Client("")
        self._make_folders()

    def _make_folders(self) -> None:
        nodes = self.base / "custom_nodes"
        for folder in (self.models / "embeddings", self.input, self.output, self.user, nodes):
            folder.mkdir(parents=True, exist_ok=True)
        for name, pack in self.packs.items():
            if not (pack / "__init__.py").is_file():
                raise HostError(f"The node pack {name} was expected in {pack}, but there is no __init__.py.")
            _link(nodes / name, pack)

    def start(self) -> ComfyServer:
        """Start the server and wait until it responds."""
        port = free_port() if self.port is None else check_port(self.port)
        self.client = Client(f"{ADDRESS}:{port}")
        with self.log_file.open("ab") as log:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
            self.process = subprocess.Popen(
                self._command(port), cwd=self.comfyui, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def _command(self, port: int) -> list[str]:
        main = [sys.executable, str(self.comfyui / "main.py")]
        known = subprocess.run([*main, "--help"], cwd=self.comfyui, capture_output=True, text=True).stdout
        flags = [
            ["--disable-api-nodes"],
            ["--disable-all-custom-nodes"],
            ["--whitelist-custom-nodes", *self.packs],
            ["--database-url", "sqlite:///:memory:"],
            ["--dont-print-server"],
        ]
        fixed = [*(["--cpu"] if self.cpu else []), "--port", str(port), "--base-directory", str(self.base)]
        # Flags differ between host versions; none of these affects the results.
        return [*main, *fixed, *map(str, self.options), *(word for flag in flags if flag[0] in known for word in flag)]

    def _wait_until_up(self) -> None:
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if not self.alive:
                raise HostError(f"ComfyUI exited during startup; {self.log_end()}")
            try:
                if self.client.request("/system_stats")[0] == 200:
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise HostError(f"ComfyUI did not respond within {START_SECONDS} s; {self.log_end()}")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self) -> ComfyServer:
        self.stop()
        return self.start()

    def log_tail(self, lines: int = 60) -> str:
        text = self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""
        last_states = (line.rpartition("\r")[2] for line in text.rstrip().split("\n"))  # of progress bars
        return "\n".join([*last_states][-lines:])

    def log_end(self) -> str:
        """The end of the log, for the end of a message."""
        return f"the end of its log:\n{self.log_tail(LOG_LINES)}"

    def condition(self) -> str:
        """Whether the server is running, and the end of its log; waits 2 s, as connections close before the process."""
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        return f"ComfyUI {'is still running' if self.alive else 'has exited'}; {self.log_end()}"

    @property
    def url(self) -> str:
        return f"http://{self.client.address}"

    def submit(self, prompt: Json) -> Run:
        """Queue a prompt in API format; follow it with `.wait_for(kind)` and `.finish()`."""
        return Run(self.client, prompt)

    def run(self, prompt: Json, timeout: float = 120) -> RunResult:
        """Queue a prompt and wait for its end; a failed prompt is a result, a timeout or disconnection a HostError."""
        try:
            return self.submit(prompt).finish(timeout)
        except (HostError, OSError) as error:
            condition = self.condition()
            if self.alive:
                self.interrupt()
            raise HostError(f"{error} {condition}") from error

    def interrupt(self) -> None:
        self.client.post("/interrupt", {})


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def check_port(port: int) -> int:
    """Return the port if it can be used.

    Raises:
        HostError: not a valid port, or already in use.
    """
    if not 1 <= port <= 65535:
        raise HostError(f"Port {port} is invalid, needed 1 to 65535. Choose another, or omit it to use a free one.")
    with socket.socket() as probe:
        if os.name != "nt":  # allows a recently used port; on Windows this would take over a port in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise HostError(
                f"Port {port} cannot be used: {error.strerror}. Choose another, or omit it to use a free one."
            ) from error
    return port


def _link(link: Path, folder: Path) -> None:
    if os.name == "nt":  # unlike junctions, symbolic links need special privileges there
        import _winapi

        _winapi.CreateJunction(str(folder), str(link))
    else:
        link.symlink_to(folder, target_is_directory=True)
