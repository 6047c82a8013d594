"""What does not belong to a flow model is refused in a sentence, before anything is computed."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

from stableidentity_core.backends.compute import Compute, SixteenBit
from stableidentity_core.errors import StableIdentityError, WrongModelError
from stableidentity_core.text import build_name_space

pytestmark = pytest.mark.host


class QuantizedTensor(torch.Tensor):
    """What the host puts in the place of scaled weights, here of a layout that the pack does not know."""

    _layout_cls = "TensorCoreNVFP4Layout"


class GGMLTensor(torch.Tensor):
    """What ComfyUI-GGUF puts there."""


def with_weights(kind: type[torch.Tensor]):
    """A MODEL of Wan with weights of this class."""
    from helpers.host_flow import TRIOS

    model, clip, vae = TRIOS["Wan"]()
    linear = model.model.diffusion_model.blocks[0].self_attn.q
    linear.weight = torch.nn.Parameter(linear.weight.detach().as_subclass(kind), requires_grad=False)
    return model, clip, vae


def another_model(name: str):
    """Stands for a MODEL of a class that the table does not have."""
    inner = type(name, (), {})()
    inner.model_config = type(name, (), {"unet_config": {}})()
    return SimpleNamespace(model=inner)


@pytest.mark.parametrize("name", ["Flux", "HunyuanVideo", "QwenImage", "WAN21_I2V", "Lumina2"])
def test_other_flow_models_are_refused_by_name(host, trios, name):
    _model, clip, vae = trios("Z-Image")
    with pytest.raises(WrongModelError, match=rf"MODEL is {name}, .*Z-Image.*Supported are SD3.5, Z-Image, Wan.*Load"):
        host.models.check_models(another_model(name), host.any_text.host_text(clip), vae, 512)


@pytest.mark.parametrize("kind", [QuantizedTensor, GGMLTensor])
def test_quantised_weights_are_refused_fp8_is_not(host, kind):
    model, clip, vae = with_weights(kind)
    text = host.any_text.host_text(clip)
    with pytest.raises(WrongModelError, match=rf"MODEL holds quantised weights \(1 as {kind.__name__}\).*bf16 or fp8"):
        host.models.check_models(model, text, vae, 512)
    host.models.check_models(model, text, vae, 512, trains=False)  # to paint with


@pytest.mark.parametrize(
    ("version", "fine"), [("0.3.64", False), ("0.8.0", False), ("0.25.9", False), ("0.26.0", True), ("1.0", True)]
)
def test_an_older_host_says_that_it_is(host, version, fine):
    if fine:
        host.checks.check_host(version)
    else:
        with pytest.raises(WrongModelError, match=rf"ComfyUI 0.26 or newer; this is {version}. Update ComfyUI"):
            host.checks.check_host(version)


def test_what_takes_more_than_the_latents_is_refused(host, trios):
    """The host reads Wan 2.2's image-to-video files (36 channels) as text-to-video; so does its detection here."""
    from comfy import model_detection, supported_models

    from helpers.host_flow import WAN, model_of

    for channels, what in ((36, "36 input channels"), (52, "52 input channels")):
        config = {**WAN, "in_dim": channels}
        assert type(model_detection.model_config_from_unet_config(config)) is supported_models.WAN21_T2V
        model = model_of(supported_models.WAN21_T2V(config))
        with pytest.raises(WrongModelError, match=rf"{what} \(image-to-video.*needed 16.*Wan text-to-video"):
            host.models.check_models(model, host.any_text.host_text(trios("Wan")[1]), trios("Wan")[2], 512)


def test_what_other_nodes_put_around_the_network_is_told(host, trios, caplog):
    model, clip, vae = trios("Wan")
    text = host.any_text.host_text(clip)
    host.models.check_models(model, text, vae, 512)
    assert "around it" not in caplog.text
    changed = model.clone()
    changed.set_model_unet_function_wrapper(lambda apply, given: apply(given["input"], given["timestep"], **given["c"]))
    host.models.check_models(changed, text, vae, 512)
    assert "around it (model_function_wrapper)" in caplog.text


def test_fp16_is_refused_where_the_host_does_not_compute_the_model_in_it(host, trios, monkeypatch):
    """On a card without bf16, `auto` is then the model's own way."""
    units = SixteenBit(fp16=True)
    monkeypatch.setattr(host.precision, "sixteen_bit", lambda _device: units)
    for kind, holds in (("Z-Image", False), ("Wan", True)):
        model = trios(kind)[0]
        auto = host.precision.compute_dtype(model, Compute(precision="auto"))
        assert auto == (torch.float16 if holds else torch.float32)
        if holds:
            assert host.precision.compute_dtype(model, Compute(precision="fp16")) == torch.float16
        else:
            with pytest.raises(StableIdentityError, match=r"fp16.*of this MODEL \(ZImage\).*Set precision to auto"):
                host.precision.compute_dtype(model, Compute(precision="fp16"))


def test_a_text_encoder_that_lacks_one_part(host, trios):
    clip = copy.copy(trios("SD3.5")[1])
    clip.cond_stage_model = copy.copy(clip.cond_stage_model)
    clip.cond_stage_model._modules = {**clip.cond_stage_model._modules, "t5xxl": None}
    with pytest.raises(WrongModelError, match=r"CLIP of SD3.5 lacks t5xxl.*TripleCLIPLoader"):
        host.any_text.host_text(clip)


def test_a_text_encoder_without_a_vocabulary_of_names(host, trios):
    text = host.any_text.host_text(trios("Wan")[1])
    with pytest.raises(StableIdentityError, match=r"only 0 are different and exactly two tokens in umt5xxl"):
        build_name_space(text.spaces[0], ["Cher", "Madonna", "Maximilian Featherstonehaugh"])


def test_a_vae_of_another_model(host, trios):
    model, clip, _vae = trios("Wan")
    text = host.any_text.host_text(clip)
    with pytest.raises(
        WrongModelError, match=r"16 latent channels of pictures, MODEL takes 16 latent channels of clips"
    ):
        host.models.check_models(model, text, trios("Z-Image")[2], 512)
    with pytest.raises(WrongModelError, match="VAE input got nothing"):
        host.models.check_models(model, text, None, 512)


def test_a_flow_model_with_the_clip_of_sd2(host, trios, tiny_eps):
    from helpers import host_tiny

    text = host.any_text.host_text(host_tiny.load_clip(tiny_eps))
    with pytest.raises(
        WrongModelError, match=r"MODEL is SD3.5, .*connect its own text encoder \(CLIP-L, CLIP-G and T5.*SD1.5"
    ):
        host.models.check_models(trios("SD3.5")[0], text, trios("SD3.5")[2], 512)


def test_a_resolution_that_is_not_made_of_whole_latents(host, trios):
    model, clip, vae = trios("Flux.2 klein")
    with pytest.raises(StableIdentityError, match=r"resolution is 520; .* 16x16. Set resolution to a multiple of 16"):
        host.models.check_models(model, host.any_text.host_text(clip), vae, 520)


def test_a_sampling_that_is_not_flow_matching(host, trios):
    import comfy.model_sampling as kinds

    model, clip, vae = trios("Z-Image")
    changed = model.clone()

    class Sampling(kinds.ModelSamplingDiscreteFlow, kinds.X0):
        pass

    changed.add_object_patch("model_sampling", Sampling(model.model.model_config))
    with pytest.raises(WrongModelError, match="samples with ModelSamplingDiscreteFlow and X0; needed flow matching"):
        host.models.check_models(changed, host.any_text.host_text(clip), vae, 512)
