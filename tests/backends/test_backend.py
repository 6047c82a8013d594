"""What every DiffusionBackend has to do, asked of both adapters."""

from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline

from stableidentity_core.backends import Conditioning, Prediction
from stableidentity_core.train.check import check_gradient
from stableidentity_core.words import prompt_rows

TIMESTEPS = [0, 1, 20, 250, 500, 750, 999]

# Two implementations of the same fp32 sums; measured 0 where both take the same attention kernel.
EXACT = 1e-5


@pytest.fixture
def pipeline(tiny_folder):
    return StableDiffusionPipeline.from_pretrained(tiny_folder)


def noised(seed: int = 0, batch: int = 1, side: int = 8) -> torch.Tensor:
    return torch.randn(batch, 4, side, side, generator=torch.Generator().manual_seed(seed))


def rows(backend, texts):
    return {"clip_h": prompt_rows(texts, backend.text_spaces[0], lambda text: backend.tokenize("clip_h", text))}


def test_output_equals_diffusers_at_all_timesteps(backend, pipeline):
    context = torch.randn(1, 77, backend.text_spaces[0].width, generator=torch.Generator().manual_seed(1))
    for t in TIMESTEPS:
        with torch.no_grad():
            ours = backend.predict(noised(), torch.tensor([t]), Conditioning(context=context))
            theirs = pipeline.unet(noised(), t, context).sample
        assert (ours - theirs).abs().max() < EXACT, t


def test_batch_with_a_timestep_of_its_own_each(backend, pipeline):
    context = torch.randn(3, 77, backend.text_spaces[0].width, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([3, 500, 998])
    with torch.no_grad():
        ours = backend.predict(noised(batch=3), t, Conditioning(context=context))
        theirs = pipeline.unet(noised(batch=3), t, context).sample
    assert (ours - theirs).abs().max() < EXACT


def test_prediction_type_and_schedule(backend, pipeline):
    assert backend.prediction is Prediction(pipeline.scheduler.config.prediction_type)
    # Measured 5e-7: the host keeps sigmas in float32, diffusers alphas.
    assert (backend.alphas_cumprod - pipeline.scheduler.alphas_cumprod).abs().max() < 1e-6
    assert backend.latent_scale == 0.18215 and backend.latent_factor == 8


def test_tokens_are_clips(backend, pipeline):
    # Without "!": SD2's Hugging Face tokenizer takes it for its padding, the host for the word.
    for text in ("a photo of Tom Cruise", "", "hello, world: it's (very) nice?", "émile"):
        theirs = pipeline.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert backend.tokenize("clip_h", text) == theirs, text


def test_names_placed_as_words_encode_like_the_name(backend, pipeline):
    """A celebrity's own embeddings in the slot give what the plain prompt gives."""
    ids = torch.tensor([backend.tokenize("clip_h", "Tom Cruise")])
    words = {"clip_h": backend.embed_tokens("clip_h", ids)}
    with torch.no_grad():
        placed = backend.encode_text(rows(backend, ["a photo of {} in the snow"]), words).context
        plain = pipeline.encode_prompt("a photo of Tom Cruise in the snow", "cpu", 1, False)[0]
    assert (placed - plain).abs().max() < EXACT


def test_gradient_reaches_the_words_and_nothing_else(backend):
    words = torch.randn(2, 2, backend.text_spaces[0].width, requires_grad=True)
    context = backend.encode_text(rows(backend, ["a {} here", "one longer photo of {}"]), {"clip_h": words})
    backend.predict(noised(batch=2), torch.tensor([10, 900]), context).square().sum().backward()
    assert words.grad.isfinite().all() and (words.grad.flatten(1).norm(dim=1) > 0).all()
    module = backend.unet if hasattr(backend, "unet") else backend
    assert all(parameter.grad is None for parameter in module.parameters())


def test_self_check_agrees_with_finite_difference(backend):
    # Second-order terms of the finite difference; measured 0.0004.
    assert check_gradient(backend, compare=True) < 0.02


def test_posterior_is_sampled_with_the_given_generator(backend, pipeline):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    ours = backend.encode_image(image, torch.Generator().manual_seed(7))
    with torch.no_grad():
        posterior = pipeline.vae.encode(image * 2 - 1).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(7))
    assert (ours - (posterior.mean + posterior.std * noise) * 0.18215).abs().max() < EXACT
    assert not ours.is_inference()


def test_fingerprint_is_stable_and_tells_weights_apart(backend):
    first = backend.fingerprint()
    assert first == backend.fingerprint() and len(first) == 16
