"""The sizes of a text-to-video UNet, read from the shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import WrongModelError

Shape = tuple[int, ...]
TRANSFORMER_IN_HEADS = 8  # of the temporal attention after the first convolution, at any width


@dataclass(frozen=True, kw_only=True)
class VideoSizes:
    """Sizes that differ between UNets of this architecture; the defaults are ModelScope's and ZeroScope's."""

    in_channels: int = 4
    out_channels: int = 4
    channels: int = 320  # at full resolution
    multipliers: tuple[int, ...] = (1, 2, 4, 4)  # of the channels, by level; each level halves the resolution
    attention: tuple[bool, ...] = (True, True, True, False)  # by level
    blocks: int = 2  # residual blocks per level of the down path; the up path has one more
    context: int = 1024  # width of the text encoder
    head: int = 64  # channels of an attention head


FULL = VideoSizes()


def read_modelscope(shapes: Mapping[str, Shape]) -> VideoSizes:
    """Sizes of ModelScope's own file (`input_blocks.0.0.weight`).

    Raises:
        WrongModelError: a weight that defines a size is missing.
    """
    levels: list[list[tuple[int, bool]]] = [[]]  # of (channels, attention) of each residual block
    for number in range(1, 1 + _count(shapes, r"input_blocks\.(\d+)\.")):
        if f"input_blocks.{number}.op.weight" in shapes:
            levels.append([])
        else:
            width = _shape(shapes, f"input_blocks.{number}.0.in_layers.2.weight")[0]
            levels[-1].append((width, f"input_blocks.{number}.1.proj_in.weight" in shapes))
    return _sizes(
        levels,
        conv_in=_shape(shapes, "input_blocks.0.0.weight"),
        conv_out=_shape(shapes, "out.2.weight"),
        inner=_shape(shapes, "input_blocks.0.1.proj_in.weight")[0],
        keys=_shape(shapes, "middle_block.1.transformer_blocks.0.attn2.to_k.weight"),
    )


def read_diffusers(shapes: Mapping[str, Shape]) -> VideoSizes:
    """Sizes of diffusers' UNet3DConditionModel (`conv_in.weight`).

    Raises:
        WrongModelError: a weight that defines a size is missing.
    """
    levels = []
    for level in range(1 + _count(shapes, r"down_blocks\.(\d+)\.")):
        base = f"down_blocks.{level}"
        count = 1 + _count(shapes, rf"down_blocks\.{level}\.resnets\.(\d+)\.")
        levels.append(
            [
                (
                    _shape(shapes, f"{base}.resnets.{number}.conv1.weight")[0],
                    f"{base}.attentions.{number}.proj_in.weight" in shapes,
                )
                for number in range(count)
            ]
        )
    return _sizes(
        levels,
        conv_in=_shape(shapes, "conv_in.weight"),
        conv_out=_shape(shapes, "conv_out.weight"),
        inner=_shape(shapes, "transformer_in.proj_in.weight")[0],
        keys=_shape(shapes, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"),
    )


def _sizes(
    levels: list[list[tuple[int, bool]]], *, conv_in: Shape, conv_out: Shape, inner: int, keys: Shape
) -> VideoSizes:
    channels = conv_in[0]
    if not all(levels):
        raise WrongModelError(
            f"The file has no residual blocks for {sum(not level for level in levels)} of its {len(levels)} levels; "
            "it is incomplete. Download it again."
        )
    return VideoSizes(
        in_channels=conv_in[1],
        out_channels=conv_out[0],
        channels=channels,
        multipliers=tuple(level[0][0] // channels for level in levels),
        attention=tuple(level[0][1] for level in levels),
        blocks=max(len(level) for level in levels),
        context=keys[1],
        head=inner // TRANSFORMER_IN_HEADS,
    )


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    """The largest number matched by the pattern's group in any name; 0 without a match."""
    numbers = (re.match(pattern, name) for name in shapes)
    largest = max((int(found[1][:9]) for found in numbers if found), default=0)
    if largest > len(shapes):
        raise WrongModelError(
            f"The file numbers its blocks up to {largest:,} but has only {len(shapes)} weights; it is incomplete. "
            "Download it again."
        )
    return largest


def _shape(shapes: Mapping[str, Shape], name: str) -> Shape:
    if name not in shapes:
        raise WrongModelError(
            f"The file looks like a text-to-video UNet but lacks {name}; it is incomplete. Download it again."
        )
    if len(shapes[name]) < 2 or 0 in shapes[name]:
        raise WrongModelError(
            f"The file looks like a text-to-video UNet, but its {name} has the shape {list(shapes[name])}; it is "
            "damaged. Download it again."
        )
    return shapes[name]
