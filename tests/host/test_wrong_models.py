"""Models that cannot be trained or do not belong together are refused, in the real server."""

from __future__ import annotations

import pytest

from helpers.prompts import learn, people_in
from helpers.refusal import node
from helpers.world import World
from stableidentity_core.identity import load_identity


def with_model(world: World, kind: str):
    prompt = learn(world.eps, name="bad")
    prompt["wrong"] = node("SITestWrongModel", kind=kind, folder=str(world.eps))
    prompt["train"]["inputs"]["model"] = ["wrong", 0]
    return prompt


def with_clip(world: World, kind: str, *, model: str = "", own_names: bool = False):
    """The CLIP in the whole graph; without the name space node it reaches Train first."""
    prompt = with_model(world, model) if model else learn(world.eps, name="bad")
    prompt["clip"] = node("SITestWrongClip", kind=kind, folder=str(world.eps))
    prompt["train"]["inputs"]["clip"] = prompt["names"]["inputs"]["clip"] = ["clip", 0]
    if not own_names:
        del prompt["names"], prompt["train"]["inputs"]["name_space"]
    return prompt


def with_vae(world: World, kind: str):
    prompt = learn(world.eps, name="bad")
    prompt["wrong"] = node("SITestWrongVae", kind=kind)
    prompt["train"]["inputs"]["vae"] = ["wrong", 0]
    return prompt


def with_sampling(world: World, kind: str, name: str, seed: int = 5, **inputs):
    """A stock node between the tiny eps model and the training."""
    prompt = learn(world.eps, name=name, steps=2, seed=seed)
    prompt["sampling"] = node(kind, model=["trio", 0], **inputs)
    prompt["train"]["inputs"]["model"] = ["sampling", 0]
    return prompt


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("SD1.5", ("width 768", "TinySD15", "of SD2 gives width 64", "clip_h", "stable-diffusion-2-1-base", "CLIP")),
        (
            "SDXL",
            ("width 96 with a pooled vector of 64", "TinySDXL", "of SD2 gives width 64 (clip_h)", "SD1.5", "SDXL"),
        ),
        ("inpainting", ("9 input channels", "needed 4", "inpainting", "plain model of the same base", "CLIP too")),
        ("Flux", ("MODEL is Flux", "UNet of Stable Diffusion", "stable-diffusion-2-1-base")),
        ("fp8", ("MODEL", "float8_e4m3fn", "fp32, fp16 or bf16", "weight_dtype")),
        ("GGUF", ("MODEL", "GGMLTensor", "fp32, fp16 or bf16", "Load the file of the full model")),
    ],
)
def test_wrong_model(world, bad, kind, needed):
    bad.refused(with_model(world, kind), *needed)


def test_a_model_that_gives_nan(world, bad):
    """It fails with the training under way, on the CLIP of the good prompts: that must be as before."""
    message = bad.refused(with_model(world, "NaN"), "gradient", "nan", "not finite", "bf16", "damaged")
    bad.good(message, train=True)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("SD1.5", ("MODEL takes text of width 64 (TinySD2)", "CLIP of SD1.x gives width 48 (clip_l)", "together")),
        ("SDXL", ("MODEL takes text of width 64", "gives width 96 with a pooled vector of 48 (clip_l and clip_g)")),
        ("refiner", ("CLIP is of SDXL's refiner (text encoders: g)", "SDXL (CLIP-L and CLIP-G)", "SD1.5")),
        ("none", ("CLIP", "nothing", "checkpoint", "stable-diffusion-2-1-base")),
    ],
)
@pytest.mark.parametrize("own_names", [True, False], ids=["at the name space", "at the training"])
def test_wrong_clip(world, bad, kind, needed, own_names):
    bad.refused(with_clip(world, kind, own_names=own_names), *needed)


@pytest.mark.parametrize("kind", ["SD1.5", "SDXL", "refiner", "none"])
@pytest.mark.parametrize("way", ["StableIdentityApply", "StableIdentityEncodePrompt"])
def test_wrong_clip_in_a_prompt(world, bad, way, kind):
    prompt = {
        "clip": node("SITestWrongClip", kind=kind, folder=str(world.eps)),
        "who": node("StableIdentityLoad", name="good.safetensors", trigger=""),
    }
    if way == "StableIdentityApply":
        prompt["applied"] = node(way, clip=["clip", 0], identity=["who", 0], trigger="")
        prompt["encoded"] = node("CLIPTextEncode", clip=["applied", 0], text="<anna>")
    else:
        prompt["encoded"] = node(way, clip=["clip", 0], text="<anna>", **people_in(["who", 0]))
    prompt["out"] = node("SITestCompare", a=["encoded", 0], b=["encoded", 0])
    found = {
        "SD1.5": ("<anna> was learned for clip_h (width 64)", "CLIP is that of SD1.x: clip_l (width 48)", "base model"),
        "SDXL": ("learned for clip_h (width 64)", "that of SDXL: clip_l (width 48) and clip_g (width 48)"),
        "refiner": ("CLIP is of SDXL's refiner", "SDXL (CLIP-L and CLIP-G)"),
        "none": ("CLIP input got nothing", "stable-diffusion-2-1-base"),
    }[kind]
    bad.refused(prompt, *found)


def test_quantised_clip(world, bad):
    bad.refused(with_clip(world, "fp8"), "CLIP", "float8_e4m3fn", "fp32, fp16 or bf16")


def test_an_sdxl_model_with_the_clip_of_sd15(world, bad):
    found = (
        "MODEL takes text of width 96 with a pooled vector of 64 (TinySDXL)",
        "CLIP of SD1.x gives width 48 (clip_l)",
    )
    bad.refused(with_clip(world, "SD1.5", model="SDXL"), *found, "do not belong together")


def test_an_sd15_model_with_the_clips_of_sdxl(world, bad):
    found = "MODEL takes text of width 768 (TinySD15)", "SDXL gives width 96 with a pooled vector of 48"
    bad.refused(with_clip(world, "SDXL", model="SD1.5"), *found, "do not belong together")


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("16 channels", ("VAE", "16", "4", "same checkpoint")),
        ("no weights", ("VAE", "nothing", "checkpoint")),
        ("none", ("VAE", "nothing", "checkpoint")),
    ],
)
def test_wrong_vae(world, bad, kind, needed):
    bad.refused(with_vae(world, kind), *needed)


def test_another_vae_is_another_training(world, bad):
    """It decides the latents, so that a stored training with the first VAE must not be taken."""
    prompt = learn(world.eps, name="first-vae", steps=2, seed=6)
    prompt["other"] = node("SITestTinyTrio", folder=str(world.v))
    assert world.server.run(prompt).status == "success"
    prompt["train"]["inputs"]["vae"] = ["other", 2]
    prompt["save"]["inputs"]["name"] = "second-vae"
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    first, second = (load_identity(world.embedding(name)) for name in ("first-vae", "second-vae"))
    assert first.content_hash != second.content_hash


def test_a_name_space_of_another_clip(world, bad, narrow):
    prompt = learn(world.eps, name="bad")
    prompt["other"] = node("SITestTinyTrio", folder=str(narrow))
    prompt["names"]["inputs"]["clip"] = ["other", 1]
    bad.refused(prompt, "name space", "32", "64", "Connect the same CLIP")


def test_model_and_clip_of_different_widths(world, bad, narrow):
    prompt = learn(world.eps, name="bad")
    prompt["other"] = node("SITestTinyTrio", folder=str(narrow))
    prompt["train"]["inputs"]["model"] = ["other", 0]
    bad.refused(prompt, "width 32", "gives width 64", "do not belong together", "CLIP")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    from helpers.tiny import tiny_sd

    return tiny_sd(tmp_path_factory.mktemp("narrow"), width=32)


@pytest.mark.parametrize(
    ("kind", "inputs", "needed"),
    [
        ("ModelSamplingContinuousEDM", {"sampling": "eps", "sigma_max": 120.0, "sigma_min": 0.002}, ("ContinuousEDM",)),
        ("ModelSamplingDiscrete", {"sampling": "x0", "zsnr": False}, ("X0",)),
        ("ModelSamplingDiscrete", {"sampling": "lcm", "zsnr": False}, ("DiscreteDistilled", "LCM")),
        ("ModelSamplingStableCascade", {"shift": 2.0}, ("StableCascadeSampling",)),
        ("ModelSamplingSD3", {"shift": 3.0}, ("ModelSamplingDiscreteFlow",)),
    ],
)
def test_sampling_that_training_does_not_know(world, bad, kind, inputs, needed):
    bad.refused(with_sampling(world, kind, "bad", **inputs), *needed, "eps", "v_prediction", "ModelSampling")


def test_velocity_set_by_a_stock_node_is_honoured(world, bad):
    """An eps model declared v by ModelSamplingDiscrete trains as the same weights loaded as v do."""
    by_node = with_sampling(world, "ModelSamplingDiscrete", "by-node", sampling="v_prediction", zsnr=False)
    by_itself = with_model(world, "declared v")
    by_itself["train"]["inputs"] |= {"steps": 2, "seed": 5}
    by_itself["save"]["inputs"]["name"] = "by-itself"
    plain = learn(world.eps, name="plain", steps=2, seed=5)
    zero_snr = with_sampling(world, "ModelSamplingDiscrete", "zero-snr", sampling="v_prediction", zsnr=True)
    for prompt in (by_node, by_itself, plain, zero_snr):
        result = world.server.run(prompt)
        assert result.status == "success", result.error
    words = {name: load_identity(world.embedding(name)) for name in ("by-node", "by-itself", "plain", "zero-snr")}
    assert words["by-node"].header["prediction"] == words["zero-snr"].header["prediction"] == "v_prediction"
    assert words["plain"].header["prediction"] == "epsilon"
    assert words["by-node"].content_hash == words["by-itself"].content_hash
    assert len({identity.content_hash for identity in words.values()}) == 3
