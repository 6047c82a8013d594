"""Text-to-video files: every name and shape at full size, two kinds of names to one, and what is refused."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet3DConditionModel

from helpers.tiny import modelscope_weights, tiny_video_unet
from stableidentity_core.errors import WrongModelError
from stableidentity_core.video import FULL, arrange, recognise, weight_names
from stableidentity_core.video.weights import DIFFUSERS, HOST, MODELSCOPE

SAVED = "model.diffusion_model."


@pytest.fixture(scope="module")
def unet():
    return tiny_video_unet(channels=(32, 64, 64), blocks=2)


@pytest.fixture(scope="module")
def theirs(unet):
    return unet.state_dict()


def test_at_full_size_names_and_shapes_are_those_of_diffusers():
    with torch.device("meta"):
        weights = UNet3DConditionModel().state_dict()  # its defaults are text-to-video-ms-1.7b
    found = arrange(weights)
    assert found.sizes == FULL and found.source == DIFFUSERS
    assert len(weights) == len(found.tensors) == 1480
    assert found.parameters == 1_411_233_860  # counted in the published file


def test_at_full_size_modelscopes_names_are_its_own():
    """The places where its layout is not what one would guess; read in the published file."""
    shapes = {row.modelscope: row.shape for row in weight_names(FULL)}
    assert len(shapes) == 1480
    assert shapes["input_blocks.0.1.proj_in.weight"] == (512, 320)  # 8 heads of 64 on 320 channels
    assert shapes["input_blocks.1.0.temopral_conv.conv1.2.weight"] == (320, 320, 3, 1, 1)
    assert shapes["input_blocks.1.0.temopral_conv.conv4.3.weight"] == (320, 320, 3, 1, 1)
    assert shapes["input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] == (320, 1024)
    assert shapes["input_blocks.1.2.transformer_blocks.0.attn2.to_k.weight"] == (320, 320)
    assert shapes["input_blocks.3.op.weight"] == (320, 320, 3, 3)  # no index within the block
    assert shapes["output_blocks.2.1.conv.weight"] == (1280, 1280, 3, 3)  # behind a block without attention
    assert shapes["output_blocks.5.3.conv.weight"] == (1280, 1280, 3, 3)
    assert shapes["output_blocks.8.0.skip_connection.weight"] == (640, 960, 1, 1)
    assert shapes["middle_block.3.temopral_conv.conv2.0.bias"] == (1280,)
    assert shapes["out.2.weight"] == (4, 320, 3, 3)


def test_both_kinds_of_names_give_the_same_weights(unet, theirs):
    original = modelscope_weights(unet)
    assert original["input_blocks.1.2.proj_in.weight"].ndim == 3
    one, other = arrange(theirs), arrange(original)
    assert (one.source, other.source) == (DIFFUSERS, MODELSCOPE)
    assert one.sizes == other.sizes
    assert one.sizes.multipliers == (1, 2, 2) and one.sizes.attention == (True, True, False) and one.sizes.head == 8
    assert one.tensors.keys() == other.tensors.keys() and len(one.tensors) == len(theirs)
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert {tensor.data_ptr() for tensor in one.tensors.values()} == {tensor.data_ptr() for tensor in theirs.values()}


def test_what_comfyui_saved_is_read_again(theirs):
    one = arrange(theirs)
    again = arrange(
        {SAVED + name: value for name, value in one.tensors.items()} | {"cond_stage_model.x": torch.ones(1)}
    )
    assert again.source == HOST and again.sizes == one.sizes
    assert all(torch.equal(one.tensors[name], again.tensors[name]) for name in one.tensors)


@pytest.mark.parametrize(
    "name,kind",
    [
        ("input_blocks.1.1.proj_in.weight", "an image UNet"),
        ("model.diffusion_model.input_blocks.0.0.weight", "an image UNet"),
        ("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight", "AnimateDiff"),
        ("model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight", "Stable Video Diffusion"),
        ("transformer.resblocks.0.ln_1.weight", "text encoder"),
        ("state_dict.first_stage_model.encoder.conv_in.weight", "VAE"),
        ("lora_unet_down_blocks_0.lora_up.weight", "LoRA"),
        ("blocks.0.self_attn.q.weight", "an unknown kind"),
    ],
)
def test_other_files_are_refused_by_what_they_are(name, kind):
    with pytest.raises(WrongModelError) as caught:
        recognise([name])
    assert kind in str(caught.value) and name in str(caught.value)
    assert "text2video_pytorch_model.pth" in str(caught.value)


def test_a_unet_of_sd21_is_refused_whichever_names_it_has():
    with torch.device("meta"):
        weights = UNet2DConditionModel(cross_attention_dim=1024, use_linear_projection=True).state_dict()
    with pytest.raises(WrongModelError, match=r"an image UNet.*Load Diffusion Model"):
        arrange(weights)


def test_an_empty_file_is_refused():
    with pytest.raises(WrongModelError, match="0 weights"):
        arrange({})


@pytest.mark.parametrize("source", [DIFFUSERS, MODELSCOPE])
def test_a_missing_weight_is_noticed_wherever_it_is(unet, theirs, source):
    whole = dict(theirs) if source == DIFFUSERS else modelscope_weights(unet)
    first = {name.split(".")[0] for name in whole}  # one of each part, and some more
    tried = [next(name for name in whole if name.startswith(part)) for part in sorted(first)] + list(whole)[::37]
    for name in tried:
        with pytest.raises(WrongModelError) as caught:
            arrange({other: value for other, value in whole.items() if other != name})
        assert "not a complete" in str(caught.value) or "is incomplete" in str(caught.value), name


def test_left_over_and_misshapen_weights_are_named(theirs):
    spoilt = dict(theirs) | {"image_latents_proj_in.0.weight": torch.ones(4)}  # as I2VGen-XL has it
    spoilt["conv_out.bias"] = torch.ones(5)
    del spoilt["mid_block.resnets.0.norm1.bias"]
    with pytest.raises(WrongModelError) as caught:
        arrange(spoilt)
    message = str(caught.value)
    assert "1 missing (e.g. mid_block.resnets.0.norm1.bias)" in message
    assert "1 unexpected (e.g. image_latents_proj_in.0.weight)" in message
    assert "1 of the wrong shape (e.g. conv_out.bias)" in message
    assert f"of the {len(theirs)} weights" in message
