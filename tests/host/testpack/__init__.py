"""Nodes for the test server only: they put tiny models of random weights into a graph."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io

from .campaign_nodes import CAMPAIGN_NODES
from .stall import Stall, WeightAddress
from .tiny import host_tiny
from .triposplat import TinyTripoSplat
from .wrong_models import CLIPS, MODELS, VAES, wrong_clip, wrong_model, wrong_vae

try:
    from .flow import TinyFlow
except ImportError:  # of a ComfyUI that is older than these models
    TinyFlow = None

# The models are too small to share out: on a busy machine threads that wait for each other cost ten times the work.
if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(1)


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


class TinyControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="SITestTinyControlNet", category="test", inputs=[], outputs=[io.ControlNet.Output()])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(host_tiny.make_controlnet())


class TinyClipVision(io.ComfyNode):
    """A CLIP image encoder of transformers' format in the host's own class; its sizes are not among those that it
    knows by their keys."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestTinyClipVision",
            category="test",
            inputs=[io.String.Input("folder", default="")],
            outputs=[io.ClipVision.Output()],
        )

    @classmethod
    def execute(cls, folder: str) -> io.NodeOutput:
        return io.NodeOutput(host_tiny.load_clip_vision(Path(folder)))


class ShowFeature(io.ComfyNode):
    """A face's feature, as numbers in the history."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestFeature",
            category="test",
            inputs=[io.Custom("STABLEIDENTITY_FACE").Input("face")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, face) -> io.NodeOutput:
        return io.NodeOutput(ui={"feature": face[0].feature.plain.tolist()})


class CompareConditioning(io.ComfyNode):
    """Largest absolute difference of two conditionings, pooled output included, and the tokens of the first."""

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
        pooled = [one[0][1]["pooled_output"] for one in (a, b)]
        pairs = [(a[0][0], b[0][0]), *([tuple(pooled)] if pooled[0] is not None else [])]
        same = len(a) == len(b) and all(one.shape == other.shape for one, other in pairs)
        difference = max((one - other).abs().max().item() for one, other in pairs) if same else float("inf")
        return io.NodeOutput(
            ui={"difference": [difference], "norm": [a[0][0].norm().item()], "tokens": [a[0][0].shape[1]]}
        )


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


class BadMask(io.ComfyNode):
    """Masks for a picture of that size, all white but for what the kind says."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        kinds = ["half the size", "other proportions", "all zero", "a dot", "batch of 2", "nan"]
        return io.Schema(
            node_id="SITestBadMask",
            category="test",
            inputs=[io.Image.Input("image"), io.Combo.Input("kind", options=kinds)],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image, kind: str) -> io.NodeOutput:
        height, width = image.shape[1:3]
        dot = torch.zeros(1, height, width)
        dot[:, height // 2, width // 2] = 1
        made = {
            "half the size": lambda: torch.ones(1, height // 2, width // 2),
            "other proportions": lambda: torch.ones(1, height // 2, width),
            "all zero": lambda: torch.zeros(1, height, width),
            "a dot": lambda: dot,
            "batch of 2": lambda: torch.ones(2, height, width),
            "nan": lambda: torch.full((1, height, width), float("nan")),
        }
        return io.NodeOutput(made[kind]())


class WrongModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestWrongModel",
            category="test",
            inputs=[io.Combo.Input("kind", options=MODELS), io.String.Input("folder", default="")],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, kind: str, folder: str) -> io.NodeOutput:
        return io.NodeOutput(wrong_model(kind, Path(folder)))


class WrongClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestWrongClip",
            category="test",
            inputs=[io.Combo.Input("kind", options=CLIPS), io.String.Input("folder", default="")],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def execute(cls, kind: str, folder: str) -> io.NodeOutput:
        return io.NodeOutput(wrong_clip(kind, Path(folder)))


class WrongVae(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestWrongVae",
            category="test",
            inputs=[io.Combo.Input("kind", options=VAES)],
            outputs=[io.Vae.Output()],
        )

    @classmethod
    def execute(cls, kind: str) -> io.NodeOutput:
        return io.NodeOutput(wrong_vae(kind))


class TwoModels(io.ComfyNode):
    """A list of two models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestTwoModels",
            category="test",
            inputs=[io.Model.Input("first"), io.Model.Input("second")],
            outputs=[io.Model.Output(is_output_list=True)],
        )

    @classmethod
    def execute(cls, first, second) -> io.NodeOutput:
        return io.NodeOutput([first, second])


class TestExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            TinyTrio,
            *([TinyFlow] if TinyFlow else []),
            TinyControlNet,
            TinyClipVision,
            ShowFeature,
            CompareConditioning,
            BadImage,
            BadMask,
            WrongModel,
            WrongClip,
            WrongVae,
            TwoModels,
            TinyTripoSplat,
            *CAMPAIGN_NODES,
            Stall,
            WeightAddress,
        ]


def comfy_entrypoint() -> TestExtension:
    return TestExtension()
