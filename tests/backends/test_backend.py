"""What every DiffusionBackend has to do, asked of both adapters."""

from __future__ import annotations

import pytest
import torch
from diffusers import DiffusionPipeline

from rounding import assert_computed_in, assert_same_but_for_rounding
from stableidentity_core.backends import Compute, Conditioning
from stableidentity_core.backends.latents import LatentFormat
from stableidentity_core.text import tokenize_templates
from stableidentity_core.train.gradient_check import check_gradient, gradient_direction

TIMESTEPS = [0, 1, 20, 250, 500, 750, 999]


@pytest.fixture(scope="module")
def pipeline(tiny_folder):
    return DiffusionPipeline.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def twin(tiny_folder):
    """The same in float64, which tells how much float32 rounds."""
    return DiffusionPipeline.from_pretrained(tiny_folder, dtype=torch.float64)


def noised(seed: int = 0, batch: int = 1, side: int = 8) -> torch.Tensor:
    return torch.randn(batch, 4, side, side, generator=torch.Generator().manual_seed(seed))


def rows(backend, texts):
    return {space.name: tokenize_templates(texts, space) for space in backend.text_spaces}


def conditioning(backend, batch: int = 1) -> Conditioning:
    generator = torch.Generator().manual_seed(1)
    widths = {space.name: space.width for space in backend.text_spaces}
    context = torch.randn(batch, 77, sum(widths.values()), generator=generator)
    pooled = torch.randn(batch, widths["clip_g"], generator=generator) if "clip_g" in widths else None
    return Conditioning(context=context, pooled=pooled)


def by_diffusers(pipeline, z_t, t, given: Conditioning):
    """SDXL's sizes as the pipeline makes them of the picture's."""
    added, dtype = None, pipeline.unet.dtype
    if given.pooled is not None:
        size = (z_t.shape[-2] * 8, z_t.shape[-1] * 8)
        sizes = pipeline._get_add_time_ids(size, (0, 0), size, dtype, given.pooled.shape[-1])
        added = {"text_embeds": given.pooled.to(dtype), "time_ids": sizes.repeat(len(z_t), 1)}
    with torch.no_grad():
        return pipeline.unet(z_t.to(dtype), t, given.context.to(dtype), added_cond_kwargs=added).sample


def encoded_by_diffusers(pipeline, text: str) -> Conditioning:
    if hasattr(pipeline, "text_encoder_2"):
        context, _negative, pooled, _ = pipeline.encode_prompt(text, device="cpu", do_classifier_free_guidance=False)
        return Conditioning(context=context, pooled=pooled)
    return Conditioning(context=pipeline.encode_prompt(text, "cpu", 1, False)[0])


def test_output_equals_diffusers_at_all_timesteps(backend, pipeline, twin):
    given = conditioning(backend)
    for t in TIMESTEPS:
        with torch.no_grad():
            ours = backend.predict(noised(), torch.tensor([t]), given)
        assert_same_but_for_rounding(ours, *(by_diffusers(one, noised(), t, given) for one in (pipeline, twin)))


def test_batch_with_a_timestep_of_its_own_each(backend, pipeline, twin):
    given = conditioning(backend, batch=3)
    t = torch.tensor([3, 500, 998])
    with torch.no_grad():
        ours = backend.predict(noised(batch=3), t, given)
    assert_same_but_for_rounding(ours, *(by_diffusers(one, noised(batch=3), t, given) for one in (pipeline, twin)))


def test_sizes_are_those_of_the_picture(backend, pipeline, twin):
    """Wide and high pictures: SDXL is told the height first."""
    given = conditioning(backend)
    t = torch.tensor([500])
    for shape in ((8, 16), (16, 8)):
        z_t = torch.randn(1, 4, *shape, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            ours = backend.predict(z_t, t, given)
        assert_same_but_for_rounding(ours, *(by_diffusers(one, z_t, t, given) for one in (pipeline, twin)))


def test_prediction_type_and_schedule(backend, pipeline):
    assert backend.objective.name == pipeline.scheduler.config.prediction_type
    # The host keeps sigmas in float32, diffusers alphas, which is far less than they differ between timesteps.
    theirs = pipeline.scheduler.alphas_cumprod
    assert (backend.objective.signal.square() - theirs).abs().max() < 0.1 * theirs.diff().abs().min()
    assert backend.latents == LatentFormat(channels=4, factor=8, scale=pipeline.vae.config.scaling_factor)


def test_text_spaces_are_the_bases(backend, pipeline):
    found = {space.name: (space.width, space.pad) for space in backend.text_spaces}
    if hasattr(pipeline, "text_encoder_2"):
        assert found == {"clip_l": (32, 49407), "clip_g": (64, 0)} and list(found) == ["clip_l", "clip_g"]
    elif pipeline.text_encoder.config.hidden_act == "quick_gelu":
        assert found == {"clip_l": (64, 49407)}
    else:
        assert found == {"clip_h": (64, 0)}


def test_tokens_are_clips(backend, pipeline):
    # Without "!": SD2's Hugging Face tokenizer takes it for its padding, the host for the word.
    for text in ("a photo of Tom Cruise", "", "hello, world: it's (very) nice?", "émile"):
        theirs = pipeline.tokenizer(text, add_special_tokens=False)["input_ids"]
        for space in backend.text_spaces:
            assert space.tokenize(text) == theirs, text


def test_names_placed_as_words_encode_like_the_name(backend, pipeline, twin):
    """A celebrity's own embeddings in the slot give what the plain prompt gives, the pooled output too."""
    words = {space.name: space.embed(torch.tensor([space.tokenize("Tom Cruise")])) for space in backend.text_spaces}
    with torch.no_grad():
        placed = backend.encode_text(rows(backend, ["a photo of {} in the snow"]), words)
        plain, exact = (encoded_by_diffusers(one, "a photo of Tom Cruise in the snow") for one in (pipeline, twin))
    assert_same_but_for_rounding(placed.context, plain.context, exact.context)
    assert (placed.pooled is None) == (plain.pooled is None)
    if plain.pooled is not None:
        assert_same_but_for_rounding(placed.pooled, plain.pooled, exact.pooled)


def test_gradient_reaches_the_words_and_nothing_else(backend):
    words = {space.name: torch.randn(2, 2, space.width, requires_grad=True) for space in backend.text_spaces}
    context = backend.encode_text(rows(backend, ["a {} here", "one longer photo of {}"]), words)
    backend.predict(noised(batch=2), torch.tensor([10, 900]), context).square().sum().backward()
    for value in words.values():
        assert value.grad.isfinite().all() and (value.grad.flatten(1).norm(dim=1) > 0).all()
    module = backend.unet if hasattr(backend, "unet") else backend
    assert all(parameter.grad is None for parameter in module.parameters())


def test_gradient_passes_the_pooled_output_too(backend):
    """With the context held fast, SDXL's words still reach the model."""
    words = {space.name: torch.randn(1, 2, space.width, requires_grad=True) for space in backend.text_spaces}
    encoded = backend.encode_text(rows(backend, ["a {} here"]), words)
    assert (encoded.pooled is not None) == ("clip_g" in words)
    if encoded.pooled is None:
        return
    held = Conditioning(context=encoded.context.detach(), pooled=encoded.pooled)
    backend.predict(noised(), torch.tensor([500]), held).square().sum().backward()
    assert words["clip_g"].grad.norm() > 0 and words["clip_l"].grad is None


def test_self_check_agrees_with_finite_difference(backend):
    # Second-order terms of the finite difference; measured 0.0004.
    assert check_gradient(backend, compare=True) < 0.02


def test_posterior_is_sampled_with_the_given_generator(backend, pipeline, twin):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    ours = backend.encode_posterior(image).sample(torch.Generator().manual_seed(7))

    def by_diffusers(vae) -> torch.Tensor:
        with torch.no_grad():
            posterior = vae.encode((image * 2 - 1).to(vae.dtype)).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(7))
        return (posterior.mean + posterior.std * noise) * vae.config.scaling_factor

    assert_same_but_for_rounding(ours, by_diffusers(pipeline.vae), by_diffusers(twin.vae))
    assert not ours.is_inference()


def test_fingerprint_is_stable_and_tells_weights_apart(backend):
    first = backend.fingerprint()
    assert first == backend.fingerprint() and len(first) == 16


def test_a_posterior_can_be_sampled_again(backend):
    """Two draws of one encoding are what two encodings with those random numbers give."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    posterior = backend.encode_posterior(image)
    assert posterior.mean.dtype == torch.float32 and not posterior.mean.is_inference() and len(posterior) == 1
    draws = [posterior.sample(torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    for seed, draw in zip((1, 2), draws, strict=True):
        assert torch.equal(draw, backend.encode_posterior(image).sample(torch.Generator().manual_seed(seed)))
    assert not torch.equal(*draws)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_16_bits_and_little_memory_keep_the_gradient_and_the_fingerprint(backend, precision):
    exact, name, own = gradient_direction(backend), backend.fingerprint(), backend.dtype
    with backend.computing(Compute(precision=precision)):
        assert backend.dtype.itemsize == 2
        rough, named = gradient_direction(backend), backend.fingerprint()
    assert backend.dtype == own
    with backend.computing(Compute(low_memory=True)):
        again = gradient_direction(backend)
    assert named == name
    assert_computed_in({"bf16": torch.bfloat16, "fp16": torch.float16}[precision], rough, exact)
    assert (again - exact).norm() < 0.01 * (rough - exact).norm()  # the same operations in fp32
    assert torch.equal(gradient_direction(backend), exact)
