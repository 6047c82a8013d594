"""The real ComfyUI server with this pack in it, as a test can start, ask and stop it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import websocket

from host.client import Client, Json, Run, RunResult

ROOT = Path(__file__).resolve().parents[2]
PACK = "ComfyUI-StableIdentity"
PACKS = {PACK: ROOT, "stableidentity_testpack": ROOT / "tests" / "host" / "testpack"}
START_SECONDS = 240  # 6 s when the machine has nothing else to do


class ComfyServer:
    """`main.py` of a ComfyUI on a free port, its models, input, output and custom nodes in a folder of its own."""

    def __init__(
        self, comfyui: Path, base: Path, packs: dict[str, Path] = PACKS, options: Sequence[str | Path] = ()
    ) -> None:
        self.comfyui, self.base, self.packs, self.options = comfyui, base, packs, options
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
                raise FileNotFoundError(f"The node pack {name} was expected in {pack}; there is no __init__.py")
            (nodes / name).symlink_to(pack, target_is_directory=True)

    # Life

    def start(self) -> ComfyServer:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.client = Client(f"127.0.0.1:{port}")
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
        fixed = ["--cpu", "--port", str(port), "--base-directory", str(self.base)]
        # Flags come and go with the host's version; none of these matters to what is tested.
        return [*main, *fixed, *map(str, self.options), *(word for flag in flags if flag[0] in known for word in flag)]

    def _wait_until_up(self) -> None:
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"ComfyUI ended while starting; the end of its log:\n{self.log_tail()}")
            try:
                if self.client.request("/system_stats")[0] == 200:
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise TimeoutError(f"ComfyUI did not answer within {START_SECONDS} s; the end of its log:\n{self.log_tail()}")

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
        return "\n".join(text.splitlines()[-lines:])

    @property
    def url(self) -> str:
        return f"http://{self.client.address}"

    # Questions and work

    def object_info(self, node_id: str = "") -> Json:
        """The description of one node, empty when the server does not know it; of all nodes without an id."""
        info = self.client.get(f"/object_info/{node_id}" if node_id else "/object_info")
        return info.get(node_id, {}) if node_id else info

    def submit(self, prompt: Json) -> Run:
        """Queue an API-format prompt and listen to it; `.wait_for(kind)` and `.finish()` follow it."""
        return Run(self.client, prompt)

    def run(self, prompt: Json, timeout: float = 120) -> RunResult:
        """Queue a prompt and wait for its end; a failed prompt is a result, a missing end an exception."""
        try:
            return self.submit(prompt).finish(timeout)
        except (TimeoutError, websocket.WebSocketException, OSError) as error:
            if self.process and self.process.poll() is None:
                self.interrupt()
            raise RuntimeError(f"{error}\nThe end of the server's log:\n{self.log_tail()}") from error

    def queue(self, prompt: Json) -> str:
        """Queue a prompt without listening; gives its id."""
        status, answer = self.client.post("/prompt", {"prompt": prompt})
        if status != 200:
            raise RuntimeError(f"The server refused the prompt (HTTP {status}): {answer}")
        return answer["prompt_id"]

    def interrupt(self) -> None:
        self.client.post("/interrupt", {})

    def history(self, prompt_id: str) -> Json:
        """Status and outputs of a prompt; empty while it has not ended."""
        return self.client.get(f"/history/{prompt_id}").get(prompt_id, {})

    def upload_image(self, path: Path) -> str:
        return self.client.upload_image(path)

    def fetch(self, path: str) -> tuple[int, bytes]:
        return self.client.request(path)

    def view(self, image: dict[str, Any]) -> bytes:
        """The bytes of a picture that a node put into `outputs[...]["images"]`."""
        folder = {"output": self.output, "input": self.input}.get(image["type"], self.base / "temp")
        return (folder / image.get("subfolder", "") / image["filename"]).read_bytes()
