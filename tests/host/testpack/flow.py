"""Tiny flow models in a graph."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io

from .tiny import helper

host_flow = helper("host_flow")


class TinyFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestTinyFlow",
            display_name="Tiny Flow Model (test)",
            category="test",
            inputs=[io.Combo.Input("kind", options=[*host_flow.TRIOS])],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, kind: str) -> io.NodeOutput:
        return io.NodeOutput(*host_flow.TRIOS[kind](folder_paths.get_folder_paths("embeddings")))
