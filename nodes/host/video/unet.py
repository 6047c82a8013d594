"""The text-to-video UNet of ModelScope and ZeroScope, built from the host's own blocks.

It is the host's SD2.1 UNet with temporal layers inserted: a convolution after each residual block, and an
attention after the first convolution and after each spatial transformer. So the host's forward pass, its
patches, its ControlNet and its attention kernels work as with SD2.1. Frames are on the batch axis:
`[clips * frames, 4, h, w]`; `frames_of` determines where each clip ends.

Architecture: ModelScopeT2V, arXiv 2308.06571 section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialTransformer, SpatialVideoTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import (
    ResBlock,
    TimestepEmbedSequential,
    UNetModel,
    VideoResBlock,
)
from torch import Tensor, nn

from ....stableidentity_core.errors import WrongModelError
from ....stableidentity_core.video.sizes import TRANSFORMER_IN_HEADS, VideoSizes

# Patches are meant for the spatial layers; the temporal ones have the same block numbers.
PATCHED = ("patches", "patches_replace")


def unet_settings(sizes: VideoSizes) -> dict[str, Any]:
    """The spatial part as the host's UNet settings: SD2.1's UNet."""
    depths = [int(attention) for attention in sizes.attention]
    return {
        "image_size": 32,
        "in_channels": sizes.in_channels,
        "out_channels": sizes.out_channels,
        "model_channels": sizes.channels,
        "num_res_blocks": [sizes.blocks for _ in depths],
        "channel_mult": list(sizes.multipliers),
        "transformer_depth": [depth for depth in depths for _ in range(sizes.blocks)],
        "transformer_depth_output": [depth for depth in depths for _ in range(sizes.blocks + 1)],
        "transformer_depth_middle": 1,
        "context_dim": sizes.context,
        "num_heads": -1,
        "num_head_channels": sizes.head,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": True,
        "adm_in_channels": None,
        "use_checkpoint": False,
        "legacy": False,
        "attn_precision": torch.float32,  # as the host sets it for SD2.1, whose attention overflows in fp16
    }


def frames_of(rows: int, options: dict[str, Any], declared: int | None) -> int:
    """Number of frames per clip in a batch of `rows`.

    The host concatenates one clip per active conditioning: two with cfg, one with cfg 1.0 or little
    memory. Their number is reliable; the number of frames that the conditioning declares is not,
    because context windows shorten the clip without updating it.

    Raises:
        WrongModelError: the rows cannot be split evenly into clips.
    """
    active = options.get("cond_or_uncond")
    clips = len(active) if active else rows // declared if declared else 1
    if not clips or rows % clips:
        raise WrongModelError(
            f"{rows} frames reached the text-to-video model for {clips} clips, needed the same number for each. "
            "Another node changes the batch on its way to the model; remove it."
        )
    return rows // clips


class TemporalConvolution(VideoResBlock):
    """Four convolutions over neighbouring frames, added to their input.

    A VideoResBlock in name only: the host passes the number of frames to such layers.
    """

    def __init__(self, channels: int, **made: Any):
        nn.Module.__init__(self)
        self.conv1 = self._step(channels, None, **made)
        self.conv2, self.conv3, self.conv4 = (self._step(channels, nn.Identity(), **made) for _ in range(3))

    @staticmethod
    def _step(channels: int, dropout: nn.Module | None, operations: Any, **made: Any) -> nn.Sequential:
        """In the files, the last three include a dropout, which counts as a layer."""
        between = [nn.SiLU()] if dropout is None else [nn.SiLU(), dropout]
        convolution = operations.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), **made)
        return nn.Sequential(operations.GroupNorm(32, channels, **made), *between, convolution)

    def forward(self, x: Tensor, emb: Tensor, num_video_frames: int, image_only_indicator: Any = None) -> Tensor:
        clips = x.unflatten(0, (-1, num_video_frames)).transpose(1, 2)  # [B, C, F, h, w]
        change = self.conv4(self.conv3(self.conv2(self.conv1(clips))))
        return x + change.transpose(1, 2).flatten(0, 1)


class TemporalTransformer(SpatialVideoTransformer):
    """Each position attends to itself across all frames of its clip, twice, followed by a feed-forward layer.

    A SpatialVideoTransformer in name only, for the same reason.
    """

    def __init__(self, channels: int, heads: int, head: int, *, operations: Any, attn_precision: Any, **made: Any):
        nn.Module.__init__(self)
        inner = heads * head
        self.norm = operations.GroupNorm(32, channels, eps=1e-6, **made)
        self.proj_in = operations.Linear(channels, inner, **made)
        block = BasicTransformerBlock(inner, heads, head, attn_precision=attn_precision, operations=operations, **made)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = operations.Linear(inner, channels, **made)

    def forward(
        self,
        x: Tensor,
        context: Any = None,
        time_context: Any = None,
        num_video_frames: int | None = None,
        image_only_indicator: Any = None,
        transformer_options: dict[str, Any] = {},  # noqa: B006 - the host's signature
    ) -> Tensor:
        height, width = x.shape[-2:]
        clips = x.unflatten(0, (-1, num_video_frames)).transpose(1, 2)  # [B, C, F, h, w]
        points = self.norm(clips).permute(0, 3, 4, 2, 1).flatten(0, 2)  # [B h w, F, C]
        options = {name: value for name, value in transformer_options.items() if name not in PATCHED}
        points = self.proj_in(points)
        for block in self.transformer_blocks:
            points = block(points, context=None, transformer_options=options)
        change = self.proj_out(points).unflatten(0, (-1, height, width)).permute(0, 3, 4, 1, 2)  # [B, F, C, h, w]
        if "transformer_index" in transformer_options:
            transformer_options["transformer_index"] -= 1  # the host counts this layer too; patches use SD2.1's count
        return x + change.flatten(0, 1)


class VideoUNet(UNetModel):
    """The host's UNet of SD2.1 with temporal layers, each called after the layer before it: `1` and `1_time`."""

    def __init__(self, *, num_head_channels: int, operations: Any, device: Any = None, **settings: Any):
        super().__init__(num_head_channels=num_head_channels, operations=operations, device=device, **settings)
        made = {"dtype": self.dtype, "device": device, "operations": operations}
        attends = {"attn_precision": settings.get("attn_precision"), **made}

        def following(layer: Any) -> nn.Module | None:
            if isinstance(layer, ResBlock):
                return TemporalConvolution(layer.out_channels, **made)
            if isinstance(layer, SpatialTransformer):
                heads = layer.in_channels // num_head_channels
                return TemporalTransformer(layer.in_channels, heads, num_head_channels, **attends)
            return None

        for blocks in (self.input_blocks, self.output_blocks):
            for number, block in enumerate(blocks):
                blocks[number] = _with_temporal_layers(block, following)
        self.middle_block = _with_temporal_layers(self.middle_block, following)
        first = TemporalTransformer(self.model_channels, TRANSFORMER_IN_HEADS, num_head_channels, **attends)
        self.input_blocks[0].add_module("0_time", first)

    def forward(
        self,
        x: Tensor,  # [clips * F, 4, h, w]
        timesteps: Tensor | None = None,  # [clips * F]
        context: Tensor | None = None,  # [clips * F, tokens, D]
        y: Tensor | None = None,
        control: dict[str, Any] | None = None,
        transformer_options: dict[str, Any] = {},  # noqa: B006 - the host's signature
        **more: Any,
    ) -> Tensor:
        """Predict the noise in each frame, [clips * F, 4, h, w].

        Raises:
            WrongModelError: the rows cannot be split evenly into clips.
        """
        more["num_video_frames"] = frames_of(len(x), transformer_options, more.get("num_video_frames"))
        return super().forward(x, timesteps, context, y, control, transformer_options, **more)


def _with_temporal_layers(block: nn.Sequential, following: Callable[[nn.Module], nn.Module | None]) -> nn.Sequential:
    """The block's layers under their names, each followed by its temporal layer."""
    layers = TimestepEmbedSequential()
    for name, layer in block.named_children():
        layers.add_module(name, layer)
        temporal = following(layer)
        if temporal is not None:
            layers.add_module(f"{name}_time", temporal)
    return layers
