"""Wan 2.1 1.3B in its true size, of random weights, in the file formats that people have.

Run as a program with ComfyUI's folder and a `models` folder, into which it writes 10 GB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

FILES = {
    "model": "diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors",
    "text": "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    "vae": "vae/wan_2.1_vae.safetensors",
}
FP8 = torch.float8_e4m3fn
POOL = 1 << 26


def random_state(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights of a network's shapes in float32; all are taken from one pool of random numbers, which is quick."""
    from helpers.host_flow import sized

    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(0))
    for at, (name, value) in enumerate(network.state_dict().items()):
        count = value.numel()
        start = 7919 * at % max(POOL - count, 1)
        drawn = pool[start : start + count] if count <= POOL else pool.repeat(-(-count // POOL))[:count]
        yield name, sized(name, drawn.view(value.shape), t5_heads=64)


def scaled_text(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """UMT5-XXL as ComfyUI's makers store it: matrices in 8 bits, each with its scale, and the tokenizer."""
    from helpers.host_flow import HOST

    for name, weight in random_state(network):
        if weight.ndim == 2 and name.startswith("encoder.block") and "relative" not in name:
            scale = weight.abs().max() / torch.finfo(FP8).max
            yield name, (weight / scale).to(FP8)
            yield name.replace(".weight", ".scale_weight"), scale
        else:
            yield name, weight.half()
    yield "scaled_fp8", torch.zeros(2, dtype=FP8)
    pile = (HOST / "text_encoders/t5_pile_tokenizer/tokenizer.model").read_bytes()  # stands for UMT5's own
    yield "spiece_model", torch.frombuffer(bytearray(pile), dtype=torch.uint8)


def main(models: Path) -> None:
    from comfy.ldm.wan.vae import WanVAE

    from helpers.flow_full_size import NETWORKS, text_encoder

    network = NETWORKS["Wan2.1 1.3B"].make(torch.float16, "meta")
    vae = WanVAE(dim=96, z_dim=16, temperal_downsample=[False, True, True])
    text = text_encoder("UMT5", torch.float16, "meta")
    states = {
        "model": ((name, value.half()) for name, value in random_state(network)),
        "vae": ((name, value.half()) for name, value in random_state(vae)),
        "text": scaled_text(text),
    }
    for what, state in states.items():
        path = models / FILES[what]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in state}, path)


if __name__ == "__main__":
    host, folder = map(Path, sys.argv[1:])
    sys.path[:0] = [str(host), str(Path(__file__).resolve().parents[1])]
    sys.argv[1:] = ["--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    main(folder)
