"""A full-size SD2.1 checkpoint of random weights in the original file layout, and a full-size face ViT.

Run as a program with ComfyUI's folder, the file to write and, if not on the CPU, the device on which weights are
drawn; 2.6 GB, about half a minute on a CPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

SD21_UNET = {
    "model_channels": 320,
    "context_dim": 1024,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
}
SD15_UNET = {**SD21_UNET, "context_dim": 768, "use_linear_in_transformer": False}
SDXL_UNET = {
    "model_channels": 320,
    "context_dim": 2048,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "adm_in_channels": 2816,
    "num_classes": "sequential",
}
SD_VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def fill_fp16(module: nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Random fp16 weights of a module's shapes, norms near one, layers scaled by their fan-in.

    They are drawn on the generator's device, and lie on the CPU.
    """
    weights = {}
    for name, shape in ((name, value.shape) for name, value in module.state_dict().items()):
        if len(shape) >= 2:
            value = torch.randn(shape, generator=generator, device=generator.device) * shape[1:].numel() ** -0.5
        else:
            value = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
        weights[name] = value.half().cpu()
    return weights


def write_checkpoint(path: Path, device: str = "cpu") -> None:
    """Write UNet, CLIP-H and VAE with the prefixes that stock loaders look for; drawn on this device."""
    import comfy.supported_models
    import comfy.text_encoders.sd2_clip
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from safetensors.torch import save_file

    from helpers.host_tiny import unet_settings

    generator = torch.Generator(device).manual_seed(0)
    family = comfy.supported_models.SD20(unet_settings(**SD21_UNET))
    family.set_inference_dtype(torch.float16, None)
    with torch.device("meta"):
        unet = family.get_model({}, device=torch.device("meta")).diffusion_model
        vae = AutoencoderKL(ddconfig=SD_VAE, embed_dim=4)
    clip = comfy.text_encoders.sd2_clip.SD2ClipModel(dtype=torch.float16)
    text = fill_fp16(clip, generator)
    state = {f"model.diffusion_model.{name}": value for name, value in fill_fp16(unet, generator).items()}
    state |= {f"first_stage_model.{name}": value for name, value in fill_fp16(vae, generator).items()}
    state |= family.process_clip_state_dict_for_saving(text)
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def write_face_vit(folder: Path) -> None:
    """The paper's face encoder in size and file layout, of random weights."""
    from transformers import ViTConfig, ViTForImageClassification

    ViTForImageClassification(ViTConfig(num_labels=100)).save_pretrained(folder)


if __name__ == "__main__":
    sys.path += [str(Path(__file__).resolve().parents[1]), sys.argv[1]]
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    write_checkpoint(Path(sys.argv[2]), *sys.argv[3:])
