"""Flow models through the host's own classes: gradients, memory, batches, and the host left as found."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.backends import Compute
from stableidentity_core.text import build_name_space, tokenize_templates
from stableidentity_core.train.gradient_check import GradientProbe

pytestmark = pytest.mark.host
FAMILIES = ["SD3.5", "Z-Image", "Wan"]
SAME = 1e-4  # of the gradient's length: float32 sums in another order; another gradient differs by about one


@pytest.fixture(scope="module", params=FAMILIES)
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("kind", [*FAMILIES, "Flux.2 klein"], indirect=True)
def test_gradients_are_right_and_the_same_however_memory_is_saved(kind, opened):
    """Against finite differences in float32; then with all activations kept, and with one network at a time."""
    with opened(kind) as backend:
        probe = GradientProbe(backend)
        with backend.computing_exactly():
            probe.deviation()  # raises
            exact = probe.direction()
        with backend.computing(Compute()):
            assert not backend.recomputes
            kept = probe.direction()
            backend.networks.apart = True
            in_turns = probe.direction()
    assert (kept - exact).norm() < SAME and (in_turns - exact).norm() < SAME


def test_only_the_network_that_computes_is_loaded(opened):
    """In turns: text, diffusion model, and the text again for its backward pass; otherwise both."""
    from comfy import model_management

    with opened("Z-Image") as backend, backend.computing(Compute()):
        networks, seen = backend.networks, []
        parts = {"text": networks.text.clip.patcher.model, "network": networks.model.model}
        computing = {"text": parts["text"].qwen3_4b, "network": networks.network}

        def loaded(name: str):
            entries = model_management.current_loaded_models
            there = {part for part, model in parts.items() if any(entry.model.model is model for entry in entries)}
            seen.append((name, there))

        hooks = [
            module.register_forward_pre_hook(lambda *_given, name=name: loaded(name))
            for name, module in computing.items()
        ]
        try:
            probe = GradientProbe(backend)
            probe.direction()
            together, seen[:] = list(seen), []
            networks.apart = True
            networks.others_were_used()
            probe.direction()
        finally:
            for hook in hooks:
                hook.remove()
    assert together == [("text", {*parts}), ("network", {*parts})]
    assert seen == [("text", {"text"}), ("network", {"network"}), ("text", {"text"})]


@pytest.mark.parametrize("kind", [*FAMILIES, "Flux.2 klein"], indirect=True)
def test_a_batch_is_as_its_prompts_alone(kind, opened):
    """Prompts of different lengths: a network that does not mask its text must not see any padding."""
    templates = ["a photo of a {}", "a very long and rather detailed photo of a {} in the snow at night"]
    generator = torch.Generator().manual_seed(0)
    with opened(kind) as backend, backend.computing(Compute()), torch.no_grad():
        spaces = backend.text_spaces
        words = {space.name: torch.randn(2, 2, space.width, generator=generator) * 0.05 for space in spaces}
        side = 64 // backend.latents.factor
        z_t = torch.randn(2, backend.latents.channels, side, side, generator=generator)
        times = torch.tensor([100, 700])
        rows = {space.name: tokenize_templates(templates, space) for space in spaces}
        together = backend.predict(z_t, times, backend.encode_text(rows, words))
        for number, template in enumerate(templates):
            own = {space.name: tokenize_templates([template], space) for space in spaces}
            at = slice(number, number + 1)
            conditioning = backend.encode_text(own, {name: value[at] for name, value in words.items()})
            alone = backend.predict(z_t[at], times[at], conditioning)
            assert (together[at] - alone).norm() < SAME * alone.norm()
        other = backend.predict(z_t, times, backend.encode_text(rows, {n: -v for n, v in words.items()}))
    assert (other - together).norm() > 10 * SAME * together.norm(), "words have no effect"


def test_no_level_has_a_gradient_that_is_not_finite(kind, opened):
    with opened(kind) as backend, backend.computing(Compute()):
        probe = GradientProbe(backend)
        for time in (0, 599, 600, 999):
            probe.times.fill_(time)
            assert probe.direction().isfinite().all()


@pytest.mark.parametrize("kind", ["plain", "fast", "scaled", "scaled, in full precision", "scaled_e5m2"])
def test_weights_in_8_bits_have_the_gradient_of_their_model(over, kind):
    """In the host's own layers, which multiply in 8 bits where they are not told otherwise; in float32, so that finite
    differences hold for the model that these weights are."""
    from helpers.host_flow import TRIOS, fast_fp8, scaled_fp8

    with torch.inference_mode():
        model, clip, vae = TRIOS["Wan"]()
        blocks, encoder = model.model.diffusion_model.blocks, clip.cond_stage_model.umt5xxl.transformer
        if kind == "plain":
            blocks.to(torch.float8_e4m3fn)
            encoder.to(torch.float8_e4m3fn)  # its table of words too
        elif kind == "fast":
            fast_fp8(blocks)
            encoder.to(torch.bfloat16)
        else:
            scaled_fp8(blocks, "full" in kind, "float8_e5m2" if "e5m2" in kind else "float8_e4m3fn")
            scaled_fp8(encoder, True)
    with over((model, clip, vae)) as backend:
        assert backend.recomputes, "autograd would keep every weight that is cast"
        probe = GradientProbe(backend)
        with backend.computing_exactly():
            assert probe.deviation() < 0.02  # 0.0003 was found; above 1 where the input is rounded to 8 bits
            exact = probe.direction()
        for apart in (False, True):
            backend.networks.apart = apart
            with backend.computing(Compute(precision="bf16")):
                assert backend.dtype == torch.bfloat16
                assert probe.direction() @ exact > 0.99  # rounding to bf16: 0.9999 was found
    own = {name for module in (*blocks.modules(), *encoder.modules()) for name in vars(module)}
    assert not own & {"forward", "forward_comfy_cast_weights"}
    flags = {module._full_precision_mm for module in blocks.modules() if hasattr(module, "_full_precision_mm")}
    assert flags <= {"full" in kind}, "the host is as before"


def test_rows_of_a_table_in_8_bits_are_those_of_the_whole_table(host, over, trios):
    """The host would convert all of it, 4 GB with UMT5's, for a few rows."""
    from helpers.host_flow import TRIOS

    model, clip, vae = TRIOS["Wan"]()
    table = clip.cond_stage_model.umt5xxl.transformer.shared.to(torch.float8_e4m3fn)
    ids = torch.tensor([[5, 77, 1999], [0, 5, 32000]])
    with torch.inference_mode():
        wanted = table(ids, out_dtype=torch.float32)
    with host.fp8.in_full_precision(clip.cond_stage_model):
        assert torch.equal(table(ids, out_dtype=torch.float32), wanted)
        assert table(ids, out_dtype=torch.bfloat16).dtype == torch.bfloat16
    with over((model, clip, vae)) as backend:
        assert torch.equal(backend.text_spaces[0].embed(ids[0]), wanted[0])


def test_a_text_encoder_of_plain_fp8_has_the_gradient_of_its_model(over):
    """As in the smaller T5-XXL of SD3.5: its rows and norms are fp8 too."""
    from helpers.host_flow import TRIOS

    model, clip, vae = TRIOS["SD3.5"]()
    clip.cond_stage_model.t5xxl.transformer.to(torch.float8_e4m3fn)
    with over((model, clip, vae)) as backend:
        assert backend.recomputes, "autograd would keep every weight that is cast"
        with backend.computing_exactly():
            GradientProbe(backend).deviation()  # raises
        names = build_name_space(backend.text_spaces[-1])
    assert names.std.isfinite().all() and names.std.mean() > 0


def test_the_host_is_left_as_found(kind, opened, trios):
    model, clip, vae = trios(kind)
    parts = [model.model, clip.cond_stage_model, vae.first_stage_model]
    before = [{name: value.clone() for name, value in part.named_parameters()} for part in parts]
    flags = [getattr(module, "comfy_cast_weights", None) for part in parts for module in part.modules()]
    cast = model.model.manual_cast_dtype
    with opened(kind) as backend, backend.computing(Compute(low_memory=True)):
        GradientProbe(backend).direction()
        with backend.networks.lent():
            assert model.model.manual_cast_dtype is cast
    for part, was in zip(parts, before, strict=True):
        assert all(torch.equal(value, was[name]) for name, value in part.named_parameters())
        assert not any(module._forward_pre_hooks or module._forward_hooks for module in part.modules())
        assert not any("forward" in vars(module) for module in part.modules())
    assert [getattr(module, "comfy_cast_weights", None) for part in parts for module in part.modules()] == flags
    assert model.model.manual_cast_dtype is cast


def test_a_photo_is_a_latent_picture_also_of_a_video_model(kind, opened):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with opened(kind) as backend:
        posterior = backend.encode_posterior(images)
        side = 64 // backend.latents.factor
        assert posterior.mean.shape == (2, backend.latents.channels, side, side)
        alone = backend.encode_posterior(images[1:])
        assert (posterior.mean[1:] - alone.mean).norm() < SAME * alone.mean.norm()
        assert backend.decode(posterior.mean).shape == images.shape
        assert (posterior.std is not None) == (kind in ("SD3.5", "Z-Image"))
        assert backend.latents.error_scale == 0.18215  # the weight of the picture's loss is SD's on every model


def test_names_are_enough_for_a_mean_and_a_deviation(kind, opened):
    with opened(kind) as backend:
        found = {space.name: len(build_name_space(space).names) for space in backend.text_spaces}
    assert min(found.values()) > 150 and set(found) <= {"clip_l", "clip_g", "t5xxl", "umt5xxl", "qwen3_4b"}
