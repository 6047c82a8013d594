"""Nodes for the test server only: they put tiny models of random weights into a graph."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io

_FILE = Path(__file__).resolve().parents[2] / "host_tiny.py"
_SPEC = importlib.util.spec_from_file_location("stableidentity_host_tiny", _FILE)
host_tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(host_tiny)


class TinyTrio(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestTinyTrio",
            display_name="Tiny Trio (test)",
            category="test",
            inputs=[io.String.Input("folder", default="")],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, folder: str) -> io.NodeOutput:
        return io.NodeOutput(*host_tiny.load_trio(Path(folder), folder_paths.get_folder_paths("embeddings")))


class CompareConditioning(io.ComfyNode):
    """Largest absolute difference of two conditionings, as text in the history."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestCompare",
            category="test",
            inputs=[io.Conditioning.Input("a"), io.Conditioning.Input("b")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, a, b) -> io.NodeOutput:
        same = a[0][0].shape == b[0][0].shape
        difference = (a[0][0] - b[0][0]).abs().max().item() if same else float("inf")
        return io.NodeOutput(ui={"difference": [difference], "norm": [a[0][0].norm().item()]})


class BadImage(io.ComfyNode):
    """Pictures no sane node makes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        kinds = ["1x1", "empty batch", "rgba", "grey", "nan", "too bright", "batch of 3"]
        return io.Schema(
            node_id="SITestBadImage",
            category="test",
            inputs=[io.Image.Input("image"), io.Combo.Input("kind", options=kinds)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image, kind: str) -> io.NodeOutput:
        alpha = torch.ones_like(image[..., :1])
        made = {
            "1x1": lambda: image[:, :1, :1],
            "empty batch": lambda: image[:0],
            "rgba": lambda: torch.cat([image, alpha], dim=-1),
            "grey": lambda: image[..., :1],
            "nan": lambda: image.clone().fill_(float("nan")),
            "too bright": lambda: image * 255,
            "batch of 3": lambda: image.repeat(3, 1, 1, 1),
        }
        return io.NodeOutput(made[kind]())


class TestExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [TinyTrio, CompareConditioning, BadImage]


def comfy_entrypoint() -> TestExtension:
    return TestExtension()
