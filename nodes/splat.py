"""Splats shown from all around, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import torch
from comfy_api.latest import io

from ..stableidentity_core.head3d.splat_files import FORMATS, load_splat, save_splat
from ..stableidentity_core.head3d.turntable import COLOURS, turn
from ..stableidentity_core.head3d.turntable import Turntable as Turn
from . import categories
from .host.cancel import check_cancelled
from .host.paths import file_state
from .host.progress import counting
from .host.progress_text import tell
from .host.splat_paths import free_output, splat_path, splats
from .host.splats import from_host, on_device, to_host
from .types import SplatType

FRAMES = 1000


class Turntable(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTurntable",
            display_name="Turntable",
            category=categories.HEAD,
            description="Pictures of a splat from cameras on a circle around it, for Create Video, Save Image or Save "
            "Animated WEBP.",
            inputs=[
                SplatType.Input("splat", tooltip="From Head 3D or Load Splat."),
                io.Int.Input("frames", default=120, min=1, max=FRAMES, tooltip="Number of pictures."),
                io.Int.Input("size", default=512, min=16, max=2048, step=8, tooltip="Side of the pictures in pixels."),
                io.Float.Input(
                    "arc",
                    default=360.0,
                    min=0.0,
                    max=360.0,
                    step=1.0,
                    tooltip="Degrees, around the front. 360: once around, without a jump when it repeats. Less: from "
                    "one side to the other.",
                ),
                io.Float.Input(
                    "elevation",
                    default=0.0,
                    min=-80.0,
                    max=80.0,
                    step=1.0,
                    tooltip="Degrees from which it is seen from above; negative from below.",
                ),
                io.Combo.Input("backdrop", options=list(COLOURS), default="white", tooltip="Colour behind it."),
            ],
            outputs=[
                io.Image.Output(display_name="pictures", tooltip="In the order of the circle."),
                io.Mask.Output(display_name="masks", tooltip="Where the head is in each picture."),
            ],
        )

    @classmethod
    def execute(cls, splat, frames: int, size: int, arc: float, elevation: float, backdrop: str) -> io.NodeOutput:
        found = on_device(from_host(splat))
        table = Turn(frames=frames, size=size, arc=arc, elevation=elevation, backdrop=backdrop)
        on_done, pictures, masks = counting(frames, "picture"), [], []
        for some, coverage in turn(found, table, check_cancelled):
            pictures.append(some.movedim(1, -1))
            masks.append(coverage)
            on_done(sum(map(len, masks)))
        return io.NodeOutput(torch.cat(pictures), torch.cat(masks))


class SaveSplat(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentitySaveSplat",
            display_name="Save Splat",
            category=categories.HEAD,
            description="Saves a splat in ComfyUI's output folder, for viewers and editors of Gaussian splats.",
            inputs=[
                SplatType.Input("splat", tooltip="From Head 3D or Load Splat."),
                io.String.Input(
                    "filename_prefix",
                    default="StableIdentity/head",
                    tooltip="Where in the output folder it is saved; a number is added.",
                ),
                io.Combo.Input(
                    "format",
                    options=[ending[1:] for ending in FORMATS],
                    default="ply",
                    tooltip="ply: exact, read by all programs for Gaussian splats. splat: half of the size, colours "
                    "and rotations in 8 bits, for viewers in the browser.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The path of the file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, splat, filename_prefix: str, format: str) -> io.NodeOutput:
        found = from_host(splat)
        path, shown_as = free_output(filename_prefix, f".{format}")
        save_splat(found, path)
        text = f"Saved in ComfyUI's output folder: {shown_as} ({len(found):,} Gaussians)"
        tell(text)
        tell(text)
        return io.NodeOutput(str(path), ui={"text": (text,)})


class LoadSplat(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoadSplat",
            display_name="Load Splat",
            category=categories.HEAD,
            description="Loads a splat, such as one from Save Splat, for Turntable or as the start of Head 3D.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=splats(),
                    tooltip=".ply or .splat in ComfyUI's input or output folder. After adding one, press R.",
                )
            ],
            outputs=[SplatType.Output(display_name="splat", tooltip="For Turntable, Save Splat and Head 3D.")],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        return file_state(splat_path(file))

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        path: Path = splat_path(file)
        return io.NodeOutput(to_host(load_splat(path)))
