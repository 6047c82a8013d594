"""The mini world as MODEL, CLIP and VAE, in the host's own classes.

The host's loaders identify models by their sizes and know none this small, so the parts are assembled
here as the loaders would do it; nothing is added to the host's list of models.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import comfy.latent_formats
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import folder_paths
import torch
from comfy import model_management
from comfy.text_encoders import sd2_clip
from torch import Tensor, nn

from ...mini_world.look import Look
from ...mini_world.painter import SIZE, paint
from ...mini_world.person import unseen_person
from ...mini_world.recogniser import drawn_instruments, is_recogniser
from ...mini_world.sizes import TEXT, UNET
from ...mini_world.weights import Weights, load_weights
from ...stableidentity_core.encode import FaceEncoder
from ...stableidentity_core.errors import DamagedFileError
from ...stableidentity_core.evaluate.metrics import Instruments, Metric

DRAWN_SIDE = SIZE  # of the pictures, in pixels
HEAD = UNET["block_out_channels"][0] // UNET["attention_head_dim"][0]
CLIP_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "projection_dim", "hidden_act")
# Colourful pictures, to fit the map from latents to colours.
COLOURFUL = (
    Look(shirt="green shirt", scene="beach"),
    Look(shirt="black shirt", scene="night"),
    Look(shirt="pink shirt", scene="blue wall"),
    Look(shirt="blue shirt", scene="purple wall"),
)


class MiniWorldLatents(comfy.latent_formats.SD15):
    """Latents with SD's scale factor, but their own preview colours."""

    def __init__(self) -> None:
        super().__init__()
        self.taesd_decoder_name = None  # otherwise previews would use the user's TAESD, made for SD


class MiniWorldSD2(comfy.supported_models.SD20):
    """SD2 with heads of 32 channels."""

    unet_extra_config = {"num_heads": -1, "num_head_channels": HEAD, "attn_precision": torch.float32}
    latent_format = MiniWorldLatents
    trained_side = SIZE  # enforced by checks.py


class ClipTarget(NamedTuple):
    """The target that the host's CLIP is built from."""

    tokenizer: type
    clip: type
    params: dict[str, Any]


def mini_world(weights: Weights) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE.

    Raises:
        DamagedFileError: the weights do not fit the host's classes.
    """
    model, clip, vae = _model(weights), _clip(weights), _vae(weights)
    model.model.latent_format.latent_rgb_factors, model.model.latent_format.latent_rgb_factors_bias = _colours(vae)
    for place, patcher in enumerate((model, clip.patcher, vae.patcher)):
        patcher.cached_patcher_init = (_patchers, (weights,), place)  # how recent hosts reload it
    return model, clip, vae


def is_of_mini_world(widths: Mapping[str, int]) -> bool:
    """Whether words of these widths, {text space: width}, are for the mini world: no other base's are so narrow."""
    return dict(widths) == {"clip_h": TEXT["hidden_size"]}


def _patchers(weights: Weights, disable_dynamic: bool = False) -> list[Any]:
    """Reload all three, for host nodes that need their own copy of the weights: Train LoRA, multi-GPU."""
    model, clip, vae = mini_world(weights)
    return [model, clip.patcher, vae.patcher]


def unet_settings() -> dict[str, Any]:
    """The UNet's sizes in the host's terms."""
    channels, blocks = UNET["block_out_channels"], UNET["layers_per_block"]
    depths = [int(kind.startswith("CrossAttn")) for kind in UNET["down_block_types"]]
    return {
        "in_channels": UNET["in_channels"],
        "out_channels": UNET["out_channels"],
        "model_channels": channels[0],
        "context_dim": UNET["cross_attention_dim"],
        "num_res_blocks": [blocks for _ in channels],
        "channel_mult": [width // channels[0] for width in channels],
        "transformer_depth": [depth for depth in depths for _ in range(blocks)],
        "transformer_depth_output": [depth for depth in depths for _ in range(blocks + 1)],
        "transformer_depth_middle": 1,
        "use_linear_in_transformer": UNET["use_linear_projection"],
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "use_temporal_resblock": False,
        "image_size": 32,
        "use_checkpoint": False,
        "use_spatial_transformer": True,
        "legacy": False,
    }


def _model(weights: Weights) -> Any:
    settings = unet_settings()
    family = MiniWorldSD2(settings)
    device, types = model_management.get_torch_device(), list(family.supported_inference_dtypes)
    size = sum(value.numel() for value in weights.unet.values())
    dtype = model_management.unet_dtype(device=device, model_params=size, supported_dtypes=types)
    family.set_inference_dtype(dtype, model_management.unet_manual_cast(dtype, device, types))
    model = family.get_model({}, device=torch.device("cpu"))
    names = comfy.utils.unet_to_diffusers(settings)
    _fill(model.diffusion_model, {names.get(key, key): value for key, value in weights.unet.items()})
    return comfy.model_patcher.ModelPatcher(
        model, load_device=device, offload_device=model_management.unet_offload_device()
    )


def _clip(weights: Weights) -> Any:
    # SD2 uses the penultimate layer, so the host gets one extra layer, which changes nothing.
    sizes = {name: TEXT[name] for name in CLIP_SIZES} | {"num_hidden_layers": TEXT["num_hidden_layers"] + 1}
    clip = comfy.sd.CLIP(
        ClipTarget(sd2_clip.SD2Tokenizer, sd2_clip.SD2ClipModel, {}),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        model_options={"clip_h_model_config": sizes, "dtype": torch.float32},
        **_static(),
    )
    transformer = clip.cond_stage_model.clip_h.transformer
    unused = {name: torch.zeros_like(value) for name, value in transformer.state_dict().items()}
    _fill(transformer, unused | weights.text)
    return clip


def _static() -> dict[str, bool]:
    """Recent hosts stream weights from their file; here there is no file that they could read."""
    known = inspect.signature(comfy.sd.CLIP.__init__).parameters
    return {"disable_dynamic": True} if "disable_dynamic" in known else {}


def _vae(weights: Weights) -> Any:
    scale = MiniWorldLatents().scale_factor
    copies = {key: value.clone() for key, value in weights.vae.items()}
    return comfy.sd.VAE(sd={**copies, "vae_scale": torch.tensor(scale), "vae_shift": torch.tensor(0.0)})


@torch.no_grad()  # recent hosts reload models outside inference mode
def _colours(vae: Any) -> tuple[list[list[float]], list[float]]:
    """Linear map from latents to RGB for the host's previews: factors [4, 3] and bias [3]."""
    pictures = [paint(unseen_person(number), look).image for number, look in enumerate(COLOURFUL)]
    images = torch.stack([torch.from_numpy(picture.copy()) for picture in pictures]).float() / 255  # [B, S, S, 3]
    latents = vae.encode(images).float().cpu() * MiniWorldLatents().scale_factor  # [B, 4, S/8, S/8]
    seen = nn.functional.avg_pool2d(images.movedim(-1, 1) * 2 - 1, SIZE // latents.shape[-1])
    points = latents.movedim(1, -1).flatten(0, -2)
    ones = torch.ones(len(points), 1)
    solved = torch.linalg.lstsq(torch.cat([points, ones], dim=1), seen.movedim(1, -1).flatten(0, -2)).solution
    return solved[:-1].tolist(), solved[-1].tolist()


def _fill(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise DamagedFileError(f"The mini world's weights do not fit {type(module).__name__}: {error}") from error


def judges_drawn_people(encoder: FaceEncoder) -> bool:
    """Whether a face encoder is the mini world's recogniser, so that its other networks measure too."""
    return is_recogniser(encoder.name)


def mini_world_instruments() -> tuple[Instruments, list[Metric]]:
    """What measures drawn pictures besides the recogniser."""
    return drawn_instruments(load_weights())
