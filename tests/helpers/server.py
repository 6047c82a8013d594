"""The real ComfyUI server with this pack in it, as a test can start, ask and stop it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stableidentity_core import comfyui
from stableidentity_core.comfyui import Json

ROOT = Path(__file__).resolve().parents[2]
PACK = "ComfyUI-StableIdentity"
PACKS = {PACK: ROOT, "stableidentity_testpack": ROOT / "tests" / "host" / "testpack"}


class ComfyServer(comfyui.ComfyServer):
    """A server with the pack and the test pack, and the questions that only tests ask."""

    def __init__(
        self,
        host: Path,
        base: Path,
        packs: Mapping[str, Path] = PACKS,
        options: Sequence[str | Path] = (),
        cpu: bool = True,
    ) -> None:
        super().__init__(host, base, packs, options, cpu=cpu)

    def object_info(self, node_id: str = "") -> Json:
        """The description of one node, empty when the server does not know it; of all nodes without an id."""
        info = self.client.get(f"/object_info/{node_id}" if node_id else "/object_info")
        return info.get(node_id, {}) if node_id else info

    def queue(self, prompt: Json) -> str:
        """Queue a prompt without listening; gives its id."""
        status, answer = self.client.post("/prompt", {"prompt": prompt})
        if status != 200:
            raise RuntimeError(f"The server refused the prompt (HTTP {status}): {answer}")
        return answer["prompt_id"]

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
