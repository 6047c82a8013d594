"""Every weight of a text-to-video UNet: its shape and its name in each of the three formats.

ModelScope's own file follows the LDM layout, with the temporal layers in between; diffusers has its own
names; in ComfyUI the layers of SD2.1 keep SD2.1's names, so that its LoRAs apply, and each temporal
layer is named after the layer it follows: `input_blocks.1.0` -> `input_blocks.1.0_time`.

Architecture: ModelScopeT2V, arXiv 2308.06571 section 3.2; a UNet of SD2.1 with a temporal convolution
after each residual block and a temporal attention after each spatial transformer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .sizes import TRANSFORMER_IN_HEADS, Shape, VideoSizes


class WeightName(NamedTuple):
    host: str
    modelscope: str
    diffusers: str
    shape: Shape  # ModelScope's file stores linear layers of the temporal attention as [out, in, 1]


class Leaf(NamedTuple):
    """A weight within a layer; ComfyUI and ModelScope use the same name."""

    name: str
    diffusers: str
    shape: Shape


def weight_names(sizes: VideoSizes) -> list[WeightName]:
    """All weights, from input to output; 1480 at full size."""
    return [*_head(sizes), *_down(sizes), *_middle(sizes), *_up(sizes), *_tail(sizes)]


def _head(s: VideoSizes) -> Iterator[WeightName]:
    wide = 4 * s.channels
    yield from _at("time_embed.0", "time_embed.0", "time_embedding.linear_1", linear("", s.channels, wide))
    yield from _at("time_embed.2", "time_embed.2", "time_embedding.linear_2", linear("", wide, wide))
    first = "input_blocks.0.0"
    yield from _at(first, first, "conv_in", conv("", s.in_channels, s.channels))
    inner = TRANSFORMER_IN_HEADS * s.head
    yield from _at(f"{first}_time", "input_blocks.0.1", "transformer_in", transformer(s.channels, inner, inner))


def _down(s: VideoSizes) -> Iterator[WeightName]:
    width, number = s.channels, 1
    for level, multiplier in enumerate(s.multipliers):
        for block in range(s.blocks):
            base, theirs = f"input_blocks.{number}", f"down_blocks.{level}"
            channels, width = (width, multiplier * s.channels)
            yield from _residual(s, f"{base}.0", f"{base}.0", theirs, block, channels, width)
            if s.attention[level]:
                yield from _attention(s, f"{base}.1", (f"{base}.1", f"{base}.2"), theirs, block, width)
            number += 1
        if level + 1 < len(s.multipliers):
            base, theirs = f"input_blocks.{number}", f"down_blocks.{level}.downsamplers.0.conv"
            yield from _at(f"{base}.0.op", f"{base}.op", theirs, conv("", width, width))
            number += 1


def _middle(s: VideoSizes) -> Iterator[WeightName]:
    width, base = s.multipliers[-1] * s.channels, "middle_block"
    yield from _residual(s, f"{base}.0", f"{base}.0", "mid_block", 0, width, width)
    yield from _attention(s, f"{base}.1", (f"{base}.1", f"{base}.2"), "mid_block", 0, width)
    yield from _residual(s, f"{base}.2", f"{base}.3", "mid_block", 1, width, width)


def _up(s: VideoSizes) -> Iterator[WeightName]:
    kept, width, number = _kept(s), s.multipliers[-1] * s.channels, 0
    for up, level in enumerate(reversed(range(len(s.multipliers)))):
        for block in range(s.blocks + 1):
            base, theirs = f"output_blocks.{number}", f"up_blocks.{up}"
            channels, width = width + kept.pop(), s.multipliers[level] * s.channels
            yield from _residual(s, f"{base}.0", f"{base}.0", theirs, block, channels, width)
            if s.attention[level]:
                yield from _attention(s, f"{base}.1", (f"{base}.1", f"{base}.2"), theirs, block, width)
            if level and block == s.blocks:
                host, modelscope = (2, 3) if s.attention[level] else (1, 1)  # after this many layers
                place = f"{base}.{host}.conv", f"{base}.{modelscope}.conv", f"{theirs}.upsamplers.0.conv"
                yield from _at(*place, conv("", width, width))
            number += 1


def _tail(s: VideoSizes) -> Iterator[WeightName]:
    yield from _at("out.0", "out.0", "conv_norm_out", norm("", s.channels))
    yield from _at("out.2", "out.2", "conv_out", conv("", s.channels, s.out_channels))


def _kept(s: VideoSizes) -> list[int]:
    """Channels of the skip connections from the down path to the up path."""
    widths = [s.channels]
    for level, multiplier in enumerate(s.multipliers):
        down = level + 1 < len(s.multipliers)
        widths += [multiplier * s.channels] * (s.blocks + down)
    return widths


def _residual(
    s: VideoSizes, host: str, modelscope: str, base: str, number: int, channels: int, width: int
) -> Iterator[WeightName]:
    yield from _at(host, modelscope, f"{base}.resnets.{number}", residual(channels, width, 4 * s.channels))
    time = f"{modelscope}.temopral_conv"  # sic
    yield from _at(f"{host}_time", time, f"{base}.temp_convs.{number}", temporal_convolution(width))


def _attention(
    s: VideoSizes, host: str, modelscope: tuple[str, str], base: str, number: int, width: int
) -> Iterator[WeightName]:
    spatial, temporal = modelscope
    yield from _at(host, spatial, f"{base}.attentions.{number}", transformer(width, width, s.context))
    yield from _at(f"{host}_time", temporal, f"{base}.temp_attentions.{number}", transformer(width, width, width))


def _at(host: str, modelscope: str, diffusers: str, leaves: Iterable[Leaf]) -> Iterator[WeightName]:
    for leaf in leaves:
        yield WeightName(
            _joined(host, leaf.name), _joined(modelscope, leaf.name), _joined(diffusers, leaf.diffusers), leaf.shape
        )


def _joined(*parts: str) -> str:
    return ".".join(filter(None, parts))


def linear(name: str, channels: int, width: int, theirs: str | None = None, bias: bool = True) -> list[Leaf]:
    return _weights(name, theirs, (width, channels), width if bias else None)


def conv(name: str, channels: int, width: int, theirs: str | None = None, side: int = 3) -> list[Leaf]:
    return _weights(name, theirs, (width, channels, side, side), width)


def norm(name: str, channels: int, theirs: str | None = None) -> list[Leaf]:
    return _weights(name, theirs, (channels,), channels)


def residual(channels: int, width: int, embedding: int) -> list[Leaf]:
    same = channels == width
    return [
        *norm("in_layers.0", channels, "norm1"),
        *conv("in_layers.2", channels, width, "conv1"),
        *linear("emb_layers.1", embedding, width, "time_emb_proj"),
        *norm("out_layers.0", width, "norm2"),
        *conv("out_layers.3", width, width, "conv2"),
        *([] if same else conv("skip_connection", channels, width, "conv_shortcut", side=1)),
    ]


def temporal_convolution(width: int) -> list[Leaf]:
    leaves = []
    for number in range(1, 5):
        after = 2 if number == 1 else 3  # the later three have a dropout before the convolution
        leaves += norm(f"conv{number}.0", width)
        leaves += _weights(f"conv{number}.{after}", None, (width, width, 3, 1, 1), width)
    return leaves


def transformer(width: int, inner: int, context: int) -> list[Leaf]:
    block = "transformer_blocks.0"
    leaves = [*norm("norm", width), *linear("proj_in", width, inner)]
    for name, keys in (("attn1", inner), ("attn2", context)):
        attention = f"{block}.{name}"
        leaves += linear(f"{attention}.to_q", inner, inner, bias=False)
        leaves += linear(f"{attention}.to_k", keys, inner, bias=False)
        leaves += linear(f"{attention}.to_v", keys, inner, bias=False)
        leaves += linear(f"{attention}.to_out.0", inner, inner)
    leaves += linear(f"{block}.ff.net.0.proj", inner, 8 * inner)  # GEGLU: 4 times the width, and its gate
    leaves += linear(f"{block}.ff.net.2", 4 * inner, inner)
    for number in range(1, 4):
        leaves += norm(f"{block}.norm{number}", inner)
    return leaves + linear("proj_out", inner, width)


def _weights(name: str, theirs: str | None, shape: Shape, bias: int | None) -> list[Leaf]:
    theirs = name if theirs is None else theirs
    leaves = [Leaf(_joined(name, "weight"), _joined(theirs, "weight"), shape)]
    return leaves if bias is None else [*leaves, Leaf(_joined(name, "bias"), _joined(theirs, "bias"), (bias,))]
