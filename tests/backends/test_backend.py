"""What every DiffusionBackend has to do, asked of both adapters."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline

from helpers.rounding import assert_computed_in, assert_same_but_for_rounding
from stableidentity_core.backends import Compute, Conditioning
from stableidentity_core.backends.guidance import guided_prediction
from stableidentity_core.backends.latents import LatentFormat
from stableidentity_core.evaluate.sample import sample_pictures
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
    found = {space.name: (space.width, space.layout.pad) for space in backend.text_spaces}
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


def test_encoding_with_gradient_gives_the_posteriors_mean(backend):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    ours = backend.encode_with_gradient(image)
    expected = backend.encode_posterior(image.detach()).mean
    assert ours.dtype == torch.float32 and torch.allclose(ours, expected, atol=1e-5 * expected.abs().max())


def test_the_gradient_of_encoding_is_that_of_a_finite_difference(backend):
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(1, 3, 64, 64, generator=generator)
    direction = torch.randn(1, 3, 64, 64, generator=generator)
    reading = torch.randn(1, 4, 8, 8, generator=generator)

    def read(step: float) -> torch.Tensor:
        return (backend.encode_with_gradient(image + step * direction) * reading).sum()

    moved = image.clone().requires_grad_(True)
    (backend.encode_with_gradient(moved) * reading).sum().backward()
    with torch.no_grad():
        slope = (read(1e-2) - read(-1e-2)) / 2e-2  # float32 keeps four digits of such a difference
    assert (moved.grad * direction).sum().item() == pytest.approx(slope.item(), rel=0.02)


def test_encoding_with_gradient_leaves_the_vae_as_it_was(backend):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    before = backend.encode_posterior(image)
    backend.encode_with_gradient(image.clone().requires_grad_(True)).sum().backward()
    after = backend.encode_posterior(image)
    assert torch.equal(before.mean, after.mean) and torch.equal(before.std, after.std)


def test_decoding_equals_diffusers(backend, pipeline, twin):
    latents = 0.18215 * noised(seed=5, batch=2)

    def by_diffusers(vae) -> torch.Tensor:
        with torch.no_grad():
            images = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample
        return (images / 2 + 0.5).clamp(0, 1)

    ours = backend.decode(latents)
    assert ours.shape == (2, 3, 64, 64) and not ours.is_inference() and not ours.requires_grad
    assert ours.min() >= 0 and ours.max() <= 1
    assert_same_but_for_rounding(ours, by_diffusers(pipeline.vae), by_diffusers(twin.vae))


def test_guidance_goes_past_the_positive_prompt_and_is_it_at_one(backend):
    z_t, times = noised(batch=2), torch.tensor([700, 700])
    positive, negative = conditioning(backend, 2), conditioning(backend, 2)
    negative = Conditioning(context=-negative.context, pooled=None if negative.pooled is None else -negative.pooled)
    with torch.no_grad():
        wanted, unwanted = (backend.predict(z_t, times, one) for one in (positive, negative))
        found = {cfg: guided_prediction(backend, z_t, times, positive, negative, cfg) for cfg in (0.0, 1.0, 4.0)}
    for cfg, ours in found.items():
        expected = unwanted + cfg * (wanted - unwanted)
        # A batch of four instead of two: the same sums in another order.
        assert (ours - expected).abs().max() < 1e-4 * (wanted - unwanted).abs().max()


def test_sampling_equals_diffusers_ddim(backend, pipeline, tiny_folder):
    """The sampler over any backend, step for step what the pipeline does with the same noise and a negative prompt."""
    spaces = backend.text_spaces
    names = {space.name: space.embed(torch.tensor([space.tokenize("tom cruise")]))[0] for space in spaces}
    ours = sample_pictures(backend, ["a photo of {}"], names, size=64, cfg=3.0, steps=5, seed=7, negative="blurry")
    theirs = DiffusionPipeline.from_pretrained(tiny_folder)
    theirs.scheduler = DDIMScheduler.from_config(
        theirs.scheduler.config, set_alpha_to_one=True, clip_sample=False, steps_offset=1, timestep_spacing="leading"
    )
    signal, sigma = backend.objective.signal[801], backend.objective.sigma[801]
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7)) * sigma
    assert 0 < signal < 1
    expected = theirs(
        "a photo of tom cruise",
        negative_prompt="blurry",
        latents=noise,
        height=64,
        width=64,
        num_inference_steps=5,
        guidance_scale=3.0,
        output_type="pt",
    ).images
    # Float32 through five steps, in another order; the tiny models amplify little.
    assert (ours - expected).abs().max() < 2e-3 and (expected.max() - expected.min()) > 0.1


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
