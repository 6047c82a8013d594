"""The text-to-video UNet in the host's blocks against diffusers' on the same weights."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.pack import pack_module
from helpers.rounding import assert_same_but_for_rounding
from helpers.tiny import modelscope_weights, tiny_video_unet
from stableidentity_core.errors import DamagedFileError, WrongModelError
from stableidentity_core.video import FULL, weight_names

pytestmark = pytest.mark.host

TEXT = 64
# Kernels work on batches of another size in another order: 3e-6 was seen; what a clip is made of changes more than 0.1.
SAME = 1e-4


@pytest.fixture(scope="module")
def theirs():
    return tiny_video_unet(channels=(32, 64, 64), blocks=2)


@pytest.fixture(scope="module")
def twin(theirs):
    """The same without any rounding to speak of."""
    return deepcopy(theirs).double()


@pytest.fixture(scope="module")
def files(theirs, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("video")
    found = {ending: folder / f"unet.{ending}" for ending in ("safetensors", "bin", "pth")}
    save_file(theirs.state_dict(), found["safetensors"])
    torch.save(theirs.state_dict(), found["bin"])
    torch.save(modelscope_weights(theirs), found["pth"])
    return found


@pytest.fixture(scope="module")
def host(comfyui):
    return pack_module("nodes.host.video.model", comfyui)


@pytest.fixture(scope="module")
def ours(host, files):
    with torch.inference_mode():  # as nodes run
        return host.load_video_model(files["safetensors"]).model.diffusion_model


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run(unet, clips: torch.Tensor, text: torch.Tensor, time: float = 601.0, **options) -> torch.Tensor:
    """Clips [B, F, 4, h, w] and their text [B, T, D] through the host's UNet, as the host calls it."""
    count, frames = clips.shape[:2]
    options = {"cond_or_uncond": list(range(count)), **options}
    times = torch.full((count * frames,), time)
    with torch.no_grad():
        out = unet(clips.flatten(0, 1), times, text.repeat_interleave(frames, 0), transformer_options=options)
    return out.unflatten(0, (count, frames))


@pytest.mark.parametrize("clips,frames,height,width", [(1, 5, 8, 8), (2, 3, 9, 7), (1, 1, 8, 8), (2, 4, 5, 12)])
@pytest.mark.parametrize("time", [1.0, 981.0])
def test_noise_equals_diffusers(theirs, twin, ours, clips, frames, height, width, time):
    latents, text = noise(clips, frames, 4, height, width), noise(clips, 77, TEXT, seed=2)

    def noise_of(unet, dtype: torch.dtype) -> torch.Tensor:
        with torch.no_grad():
            return unet(latents.to(dtype).transpose(1, 2), torch.tensor([time] * clips), text.to(dtype)).sample

    found, expected = run(ours, latents, text, time).transpose(1, 2), noise_of(theirs, torch.float32)
    assert expected.std() > 0.1
    assert_same_but_for_rounding(found, expected, noise_of(twin, torch.float64))


def test_at_full_size_the_hosts_module_has_exactly_the_named_weights(host):
    import comfy.ops

    made = {"dtype": torch.float16, "device": "meta", "operations": comfy.ops.disable_weight_init}
    unet = host.VideoUNet(**host.unet_settings(FULL), **made)
    found = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    assert found == {row.host: row.shape for row in weight_names(FULL)}
    assert len(found) == 1480
    assert sum(parameter.numel() for parameter in unet.parameters()) == 1_411_233_860
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float16}


def test_loras_of_sd21_find_the_spatial_layers(host, ours, files):
    import comfy.lora

    model = host.load_video_model(files["safetensors"]).model
    keys = comfy.lora.model_lora_keys_unet(model, {})
    target = keys["lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn2_to_k"]
    assert target == "diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"
    assert target in model.state_dict()


@pytest.mark.parametrize("ending", ["bin", "pth"])
def test_all_kinds_of_files_give_the_same_model(host, files, ours, ending):
    other = host.load_video_model(files[ending]).model.diffusion_model.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in ours.state_dict().items())


def test_clips_of_one_batch_do_not_touch(ours):
    clips, text = noise(2, 4, 4, 8, 8), noise(2, 77, TEXT, seed=2)
    together = run(ours, clips, text)
    changed = clips.clone()
    changed[1] += 1
    assert (run(ours, changed, text)[0] - together[0]).abs().max() < SAME
    assert (run(ours, changed, text)[1] - together[1]).abs().max() > 1000 * SAME
    for number in range(2):
        alone = run(ours, clips[number : number + 1], text[number : number + 1])[0]
        assert (alone - together[number]).abs().max() < SAME


def test_frames_of_one_clip_do_touch(ours):
    clips, text = noise(1, 6, 4, 8, 8), noise(1, 77, TEXT, seed=2)
    changed = clips.clone()
    changed[0, 5] += 1
    difference = (run(ours, changed, text) - run(ours, clips, text)).abs().amax((0, 2, 3, 4))
    assert (difference > 1e-3).all(), "time layers do not carry from the last frame to all others"


def test_what_hosts_say_of_frames_is_believed_only_without_a_count_of_clips(host, comfyui):
    frames_of = pack_module("nodes.host.video.unet", comfyui).frames_of
    assert frames_of(16, {"cond_or_uncond": [0, 1]}, 8) == 8
    assert frames_of(8, {"cond_or_uncond": [0]}, 8) == 8
    # Newer hosts' context windows put a frame before a window of 4 and still speak of 4.
    assert frames_of(10, {"cond_or_uncond": [0, 1]}, 4) == 5
    assert frames_of(6, {"cond_or_uncond": [0, 1]}, 2) == 3
    assert frames_of(16, {}, 8) == 8
    assert frames_of(7, {}, None) == 7
    with pytest.raises(WrongModelError, match=r"7 frames .* 2 clips"):
        frames_of(7, {"cond_or_uncond": [0, 1]}, None)
    with pytest.raises(WrongModelError, match="3 frames"):
        frames_of(3, {}, 4)


def test_patches_reach_the_spatial_layers_only_and_count_as_with_sd21(ours):
    seen = []

    def patch(n, context, value, options):
        seen.append((*options["block"], options["transformer_index"], n.shape[1], context.shape[1]))
        return n, context, value

    clips, text = noise(1, 3, 4, 8, 8), noise(1, 77, TEXT, seed=2)
    plain = run(ours, clips, text)
    patched = run(ours, clips, text, patches={"attn2_patch": [patch]})
    assert torch.equal(plain, patched)
    assert [index for *_block, index, _points, _tokens in seen] == list(range(len(seen)))
    assert {tokens for *_rest, tokens in seen} == {77} and {points for *_rest, points, _tokens in seen} == {64, 16, 4}
    assert len(seen) == 2 + 2 + 1 + 3 + 3


@pytest.mark.parametrize("dtype,stored", [("fp16", torch.float16), ("fp8_e4m3fn", torch.float8_e4m3fn)])
def test_small_storage_is_computed_in_full(host, files, ours, dtype, stored):
    small = host.load_video_model(files["safetensors"], dtype)
    unet = small.model.diffusion_model
    assert {parameter.dtype for parameter in unet.parameters()} == {stored}
    assert small.model.manual_cast_dtype == torch.float32, "a processor computes in fp32"
    clips, text = noise(1, 3, 4, 8, 8), noise(1, 77, TEXT, seed=2)
    error = (run(unet, clips, text) - run(ours, clips, text)).std() / run(ours, clips, text).std()
    # Weights keep 11 bits (2^-11 = 5e-4 each) or 4 (2^-4 = 6e-2); errors of many layers add up.
    assert 0 < error < {"fp16": 5e-3, "fp8_e4m3fn": 0.5}[dtype]


@pytest.mark.parametrize(
    "latents,said",
    [((1, 4, 16, 8, 8), r"\[1, 4, 16, 8, 8\].*Empty Video Latent"), ((16, 16, 8, 8), r"\[16, 16, 8, 8\].*VAE of SD2")],
)
def test_latents_of_other_models_are_refused(host, latents, said):
    with pytest.raises(WrongModelError, match=said):
        host.check_latents(torch.zeros(latents))


@pytest.mark.parametrize("text,said", [(None, "no text"), (torch.zeros(1, 77, 32), "width 32")])
def test_text_of_other_models_is_refused(host, text, said):
    with pytest.raises(WrongModelError, match=f"{said}.*needed width 64.*SD2.1"):
        host.check_text(text, TEXT)


def test_damaged_files_and_files_of_code_are_refused(host, files, tmp_path):
    for ending in ("safetensors", "pth"):
        cut = tmp_path / f"cut.{ending}"
        cut.write_bytes(files[ending].read_bytes()[:-5000])
        with pytest.raises(DamagedFileError, match="not a complete"):
            host.load_video_model(cut)
    code = tmp_path / "code.pth"
    torch.save({"a": print}, code)
    with pytest.raises(DamagedFileError, match="could run code"):
        host.load_video_model(code)
    training = tmp_path / "training.pth"
    torch.save({"step": 3, "optimizer": {}}, training)
    with pytest.raises(WrongModelError, match=r"training\.pth: .*state of a training"):
        host.load_video_model(training)


# Rows of benchmarks/README.md: what one call of the full-size UNet took on a processor, in MiB.
@pytest.mark.parametrize(
    "frames,height,width,measured",
    [(16, 128, 128, 183), (8, 256, 256, 503), (2, 320, 576, 760), (16, 256, 256, 969), (4, 320, 576, 1509)],
)
def test_the_host_is_told_of_the_memory_that_was_measured(host, frames, height, width, measured):
    family = host.VideoFamily(host.unet_settings(FULL))
    family.set_inference_dtype(torch.float32, None)
    model = host.VideoModel(family, device="meta")
    told = model.memory_required([frames, 4, height // 8, width // 8]) / 2**20
    assert abs(told / measured - 1) < 0.3
    print(f"{frames} x {width}x{height}: {told:.0f} MiB of {measured}")


def test_with_flash_attention_memory_is_as_the_host_has_it_for_sd21(host, files, monkeypatch):
    from comfy import model_management

    model = host.load_video_model(files["safetensors"]).model
    monkeypatch.setattr(model_management, "pytorch_attention_flash_attention", lambda: True)
    assert model.memory_required([24, 4, 40, 72]) == 24 * 40 * 72 * 4 * 0.01 * 2**20
