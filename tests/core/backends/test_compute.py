"""Computing in another way gives the same gradients: in bf16 nearly, with little memory but for rounding."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from helpers.make import rng
from helpers.rounding import assert_computed_in
from helpers.trainings import draw_batch, finish, new_run, small, words
from stableidentity_core.backends import Compute
from stableidentity_core.backends.compute import SixteenBit, gradient_checkpointing, has_matrix_units, sixteen_bit
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import tokenize_templates
from stableidentity_core.train.gradient_check import gradient_direction
from stableidentity_core.train.loss import two_phase_loss


def test_one_step_has_the_gradient_that_autograd_gives_for_the_same_draws(backend, names):
    """From the pool, without a report being read, against the plain computation of one sample."""
    run = new_run(backend, names, small(cached_views=3, max_grad_norm=1e9))
    twin = new_run(backend, names, run.config)
    batch = draw_batch(backend, twin.source, twin.config)
    next(iter(run))
    (space,) = backend.text_spaces
    rows = tokenize_templates(batch.templates, space)
    conditioning = backend.encode_text({space.name: rows}, twin.projector(batch.features))
    output = backend.unet(batch.draw.z_t, batch.draw.times, conditioning.context).sample
    loss = two_phase_loss(
        batch.draw,
        output,
        objective=backend.objective,
        latents=backend.latents,
        config=twin.config,
    ).mean()
    expected = torch.autograd.grad(loss, list(twin.projector.parameters()))
    for parameter, gradient in zip(run.projector.parameters(), expected, strict=True):
        assert (parameter.grad - gradient).norm() <= 1e-5 * gradient.norm()  # the same sums in fp32


def test_bf16_points_the_same_way_and_is_over_afterwards(own_backend):
    exact, output = gradient_direction(own_backend), own_backend.unet
    with own_backend.computing(Compute(precision="bf16")):
        rough = gradient_direction(own_backend)
    again = gradient_direction(own_backend)
    assert torch.equal(exact, again) and own_backend.unet is output
    assert_computed_in(torch.bfloat16, rough, exact)


def test_words_latents_and_loss_stay_float32_in_bf16(own_backend, names):
    run = new_run(own_backend, names, small(precision="bf16"))
    with run.computing():
        reports = list(run)
        batch = draw_batch(own_backend, run.held_out_source(rng()), run.config)
    assert all(report.loss_on_device.dtype == report.z0.dtype == torch.float32 for report in reports)
    assert batch.draw.z_t.dtype == torch.float32
    assert {parameter.dtype for parameter in run.projector.parameters()} == {torch.float32}
    assert words(run).dtype == torch.float32


def test_little_memory_changes_only_rounding_and_keeps_fewer_activations(own_backend):
    direction, kept = counted(own_backend)
    with own_backend.computing(Compute(low_memory=True)):
        again, fewer = counted(own_backend)
        assert own_backend.vae.device.type == "cpu"
    with own_backend.computing(Compute(precision="bf16")):
        rough = gradient_direction(own_backend)
    assert (again - direction).norm() < 0.01 * (rough - direction).norm()  # the same operations, not in 16 bits
    assert fewer < kept / 2
    assert not any("forward" in module.__dict__ for module in own_backend.unet.modules())


def counted(backend) -> tuple[torch.Tensor, int]:
    """The gradient, and how many numbers beside the weights were kept for it."""
    weights = {parameter.data_ptr() for parameter in backend.unet.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def note(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.detach()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        direction = gradient_direction(backend)
    return direction, sum(tensor.numel() for tensor in kept.values())


def test_contexts_within_each_other_leave_in_turn(own_backend):
    block = next(module for module in own_backend.unet.modules() if type(module).__name__ == "ResnetBlock2D")
    with gradient_checkpointing([block]):
        outer = block.forward
        with gradient_checkpointing([block]):
            assert block.forward is not outer
        assert block.forward is outer
    assert "forward" not in block.__dict__


def test_the_default_computes_as_it_was_loaded(own_backend, names):
    plain, within = new_run(own_backend, names), new_run(own_backend, names)
    finish(plain)
    with within.computing():
        assert own_backend._cast_unet is None
        finish(within)
    assert torch.equal(words(plain), words(within))


GPUS = {
    "NVIDIA H200": (9, True, None, torch.bfloat16),
    "NVIDIA GeForce RTX 3060": (8, True, None, torch.bfloat16),
    "Tesla T4": (7, False, None, torch.float16),
    "NVIDIA GeForce RTX 2060": (7, False, None, torch.float16),
    "NVIDIA GeForce GTX 1660 SUPER": (7, False, None, None),
    "NVIDIA GeForce GTX 1080": (6, False, None, None),
    "AMD Radeon RX 6800": (10, True, "gfx1030", torch.float16),
    "AMD Radeon RX 7900 XTX": (11, True, "gfx1100", torch.bfloat16),
    "AMD Instinct MI300X": (9, True, "gfx942:sramecc+:xnack-", torch.bfloat16),
}


@pytest.mark.parametrize("name", GPUS)
def test_auto_is_the_16_bit_type_that_the_gpu_is_fast_in(monkeypatch, name):
    major, bf16, arch, expected = GPUS[name]
    properties = SimpleNamespace(name=name, major=major, gcnArchName=arch)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_kwargs: bf16)
    monkeypatch.setattr(torch.version, "hip", "7.0" if arch else None)
    assert Compute(precision="auto").dtype(sixteen_bit(torch.device("cuda"))) == expected


@pytest.mark.parametrize("units", [False, True])
def test_auto_on_a_cpu_does_not_depend_on_the_processor(monkeypatch, units):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: units, raising=False)
    assert Compute(precision="auto").dtype(sixteen_bit(torch.device("cpu"))) is None
    assert Compute(precision="bf16").dtype(SixteenBit()) == torch.bfloat16


def test_a_gpu_without_bf16_refuses_it_by_name(own_backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_kwargs: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "GeForce GTX 1660")
    own_backend.device = torch.device("cuda")
    with (
        pytest.raises(StableIdentityError, match=r"bf16.*GeForce GTX 1660.*auto or model.*fp16 on"),
        own_backend.computing(Compute(precision="bf16")),
    ):
        pass


def test_settings_refuse_another_precision():
    with pytest.raises(StableIdentityError, match="precision is 'fp8', needed one of"):
        replace(small(), precision="fp8")


@pytest.mark.parametrize(
    ("limit", "there"), [(None, True), ("all", True), ("AVX512_CORE_AMX_FP16", True), ("AVX2", False), ("SSE41", False)]
)
def test_matrix_units_that_onednn_may_not_use_are_none(monkeypatch, limit, there):
    """bf16 is then computed one number at a time."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
        with monkeypatch.context() as inside:
            if limit:
                inside.setenv(name, limit)
            assert has_matrix_units() == there
