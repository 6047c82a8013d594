"""The tiny models of tests/helpers/tiny.py inside the host's own classes. Needs ComfyUI on sys.path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import comfy.cldm.cldm
import comfy.clip_vision
import comfy.controlnet
import comfy.model_base
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch
from comfy import model_management, sd1_clip, sdxl_clip
from comfy.text_encoders import sd2_clip
from safetensors.torch import load_file


class TinySD2(comfy.supported_models.SD20):
    """SD2 with heads of 8 channels; not registered in the host's list of models."""

    unet_extra_config = {"num_heads": -1, "num_head_channels": 8, "attn_precision": torch.float32}
    v_prediction = False

    def model_type(self, state_dict, prefix=""):
        kinds = comfy.model_base.ModelType
        return kinds.V_PREDICTION if self.v_prediction else kinds.EPS


class TinySD15(comfy.supported_models.SD15):
    """SD1 with 4 heads."""

    unet_extra_config = {"num_heads": 4, "num_head_channels": -1}


class TinySDXL(comfy.supported_models.SDXL):
    """SDXL with heads of 8 channels."""

    unet_extra_config = {"num_heads": -1, "num_head_channels": 8}


class ClipTarget:
    def __init__(self, tokenizer: Any, clip: Any):
        self.tokenizer = tokenizer
        self.clip = clip
        self.params: dict[str, Any] = {}


def unet_settings(**changes: Any) -> dict[str, Any]:
    """The host's settings of the tiny SD2 UNet, or of something else."""
    settings = {
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "context_dim": 64,
        "num_res_blocks": [1, 1],
        "channel_mult": [1, 2],
        "transformer_depth": [1, 1],
        "transformer_depth_output": [1, 1, 1, 1],
        "transformer_depth_middle": 1,
        "use_linear_in_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "image_size": 32,
        "use_checkpoint": False,
        "use_spatial_transformer": True,
        "legacy": False,
        "use_temporal_resblock": False,
    }
    return {**settings, **changes}


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """MODEL from a tiny diffusers folder of any family."""
    unet_config = _host_sizes(json.loads((folder / "unet/config.json").read_text()))
    source = load_file(folder / "unet/diffusion_pytorch_model.safetensors")
    names = comfy.utils.unet_to_diffusers(unet_config)
    family = {"SD1": TinySD15, "SD2": TinySD2, "SDXL": TinySDXL}[family_of(folder)](unet_config)
    if family_of(folder) == "SD2":
        family.v_prediction = _prediction(folder) == "v_prediction"
    family.set_inference_dtype(dtype, None if dtype == torch.float32 else torch.float32)
    # By this key the host knows an SDXL that predicts v.
    told = {"v_pred": torch.zeros(1)} if _prediction(folder) == "v_prediction" else {}
    model = family.get_model(told, device=torch.device("cpu"))
    weights = {host: source[theirs].to(dtype) for theirs, host in names.items() if theirs in source}
    missing, unexpected = model.diffusion_model.load_state_dict(weights, strict=False)
    assert not missing and not unexpected and len(weights) == len(source), (missing, unexpected)
    return patcher(model)


def _host_sizes(config: dict[str, Any]) -> dict[str, Any]:
    """A diffusers UNet's sizes in the host's terms."""
    layers = config["transformer_layers_per_block"]
    layers = [layers] * 2 if isinstance(layers, int) else layers
    depths = [
        depth * kind.startswith("CrossAttn") for depth, kind in zip(layers, config["down_block_types"], strict=True)
    ]
    added = config["projection_class_embeddings_input_dim"]
    return unet_settings(
        in_channels=config["in_channels"],
        out_channels=config["out_channels"],
        model_channels=config["block_out_channels"][0],
        context_dim=config["cross_attention_dim"],
        use_linear_in_transformer=config["use_linear_projection"],
        transformer_depth=depths,
        transformer_depth_output=[depth for depth in depths for _ in range(2)],
        transformer_depth_middle=layers[-1],
        adm_in_channels=added,
        **({"num_classes": "sequential"} if added else {}),
    )


def load_clip_vision(folder: Path) -> Any:
    """CLIP_VISION from a folder of transformers' CLIPVisionModelWithProjection."""
    clip_vision = comfy.clip_vision.ClipVisionModel(str(folder / "config.json"))
    missing, unexpected = clip_vision.load_sd(load_file(folder / "model.safetensors"))
    assert not missing and not unexpected, (missing, unexpected)
    return clip_vision


def patcher(model: torch.nn.Module) -> Any:
    """A MODEL of this host module."""
    return comfy.model_patcher.ModelPatcher(
        model, load_device=model_management.get_torch_device(), offload_device=model_management.unet_offload_device()
    )


def make_controlnet(seed: int = 0) -> Any:
    """A CONTROL_NET of random weights for the tiny UNet, in the host's own class."""
    settings = unet_settings(transformer_depth_output=None, num_head_channels=8, hint_channels=3)
    network = comfy.cldm.cldm.ControlNet(**settings, dtype=torch.float32, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return comfy.controlnet.ControlNet(network, load_device=model_management.get_torch_device())


def load_clip(folder: Path, embeddings: list[str] | None = None) -> Any:
    """CLIP from a tiny diffusers folder of any family."""
    tokenizer, model, parts = {
        "SD1": (sd1_clip.SD1Tokenizer, sd1_clip.SD1ClipModel, {"clip_l": "text_encoder"}),
        "SD2": (sd2_clip.SD2Tokenizer, sd2_clip.SD2ClipModel, {"clip_h": "text_encoder"}),
        "SDXL": (
            sdxl_clip.SDXLTokenizer,
            sdxl_clip.SDXLClipModel,
            {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},
        ),
    }[family_of(folder)]
    # Of SD2's the host builds one layer more and stops before it.
    sizes = {f"{name}_model_config": _clip_sizes(folder / part, name == "clip_h") for name, part in parts.items()}
    clip = comfy.sd.CLIP(
        ClipTarget(tokenizer, model),
        embedding_directory=embeddings,
        model_options={**sizes, "dtype": torch.float32},
    )
    for name, part in parts.items():
        _fill_clip(getattr(clip.cond_stage_model, name).transformer, folder / part / "model.safetensors")
    return clip


def _clip_sizes(folder: Path, one_more: bool) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text())
    return {
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"],
        "num_attention_heads": config["num_attention_heads"],
        "num_hidden_layers": config["num_hidden_layers"] + one_more,
        "projection_dim": config["hidden_size"],
    }


def _fill_clip(transformer: torch.nn.Module, file: Path) -> None:
    """What the file lacks (a projection, the layer more) is zero."""
    kept = ("text_model.", "text_projection.")
    source = {key if key.startswith(kept) else f"text_model.{key}": value for key, value in load_file(file).items()}
    weights = {name: torch.zeros_like(value) for name, value in transformer.state_dict().items()}
    assert source.keys() <= weights.keys(), source.keys() - weights.keys()
    transformer.load_state_dict({**weights, **source})


def load_vae(folder: Path) -> Any:
    """VAE from a tiny diffusers folder."""
    config = json.loads((folder / "vae/config.json").read_text())
    channels = config["block_out_channels"]
    ddconfig = {
        "double_z": True,
        "z_channels": config["latent_channels"],
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": channels[0],
        "ch_mult": [size // channels[0] for size in channels],
        "num_res_blocks": config["layers_per_block"],
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    weights = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    return comfy.sd.VAE(
        sd=weights,
        config={"params": {"ddconfig": ddconfig, "embed_dim": config["latent_channels"]}},
        dtype=torch.float32,
    )


def load_trio(folder: Path, embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    """MODEL, CLIP, VAE."""
    return load_model(folder), load_clip(folder, embeddings), load_vae(folder)


def family_of(folder: Path) -> str:
    """SD1, SD2 or SDXL, as this diffusers folder is."""
    if (folder / "text_encoder_2").is_dir():
        return "SDXL"
    activation = json.loads((folder / "text_encoder/config.json").read_text())["hidden_act"]
    return "SD1" if activation == "quick_gelu" else "SD2"


def _prediction(folder: Path) -> str:
    return json.loads((folder / "scheduler/scheduler_config.json").read_text())["prediction_type"]
