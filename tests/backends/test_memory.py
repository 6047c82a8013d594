"""What a training takes on its device, counted in networks of full size, and what is made of the memory there is."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch

from helpers.memory_rows import BF16, FP32, HALF, ROWS, SIDES
from helpers.pack import pack_module
from stableidentity_core.backends import Compute
from stableidentity_core.train.gradient_check import gradient_direction
from stableidentity_core.train.prompts import template_rows
from stableidentity_core.train.templates import TEMPLATES

pytestmark = pytest.mark.host
GB = 10**9


@pytest.fixture
def host(comfyui):
    names = ("backend", "memory", "networks", "families", "precision", "weights", "text", "checks")
    return SimpleNamespace(**{name: pack_module(f"nodes.host.{name}", comfyui) for name in names})


# Counts are the same on every machine; one of each base and way is enough for every day.
DAILY = {("sd21", BF16, False), ("sd21", FP32, False), ("sdxl", BF16, True)}


@pytest.mark.parametrize(
    ("base", "weights", "dtype", "low_memory", "goal"),
    [
        pytest.param(*row, marks=[] if (row.base, row.dtype, row.low_memory) in DAILY else pytest.mark.full_size)
        for row in ROWS
    ],
)
def test_a_step_of_full_size_takes_what_is_estimated_and_fits_the_card(
    host, monkeypatch, base, weights, dtype, low_memory, goal
):
    """Without data, batch 1; VAE, CUDA's context and fragmentation are not counted."""
    from helpers.fake_memory import counted, full_size

    monkeypatch.setattr(host.weights, "load_fully", lambda *_args: None)  # they lie on the CPU
    model, clip = full_size(base, weights)
    side = SIDES[base]
    for network in (model.model, clip.cond_stage_model):
        network.requires_grad_(False)
    with torch.inference_mode(False), torch.enable_grad(), host.text.trainable_text(clip):
        own = host.networks.Networks(
            unet=model.get_model_object("diffusion_model"),
            text=host.text.HostTextEncoders(clip),
            patchers=(model, clip.patcher),
            dtype=dtype,
        )
        backend = host.backend.ComfyBackend(
            model, own, SimpleNamespace(downscale_ratio=8), host.checks.objective_of(model), "", 0, low_memory
        )
        monkeypatch.setattr(host.backend, "compute_dtype", lambda _model, _compute: dtype)
        monkeypatch.setattr(backend.networks, "load", lambda: None)
        rows = template_rows(backend, [TEMPLATES[0]])
        weights_there = 0

        def step() -> None:
            nonlocal weights_there
            networks = [patcher.model for patcher in backend.networks.now.patchers]
            weights_there = sum(value.numel() * value.itemsize for model in networks for value in model.parameters())
            words = {space.name: torch.zeros(1, 2, space.width).requires_grad_(True) for space in backend.text_spaces}
            z_t, times = torch.zeros(1, 4, side // 8, side // 8), torch.zeros(1, dtype=torch.int64)
            backend.predict(z_t, times, backend.encode_text(rows, words)).pow(2).mean().backward()

        def setting(stack: ExitStack) -> None:
            stack.callback(backend.networks.drop_copies)
            stack.enter_context(backend.computing(Compute()))

        beside = counted(setting, step)
    need = host.memory.training_memory(
        own.unet,
        clip.cond_stage_model,
        own.text.family.activations,
        dtype=dtype,
        resolution=side,
        batch_size=1,
        low_memory=low_memory,
    )
    assert weights_there + beside <= goal * GB
    assert need.weights == weights_there and need.beside == pytest.approx(beside, rel=0.15)


# GPUs by their memory in GB, of which the driver and the desktop leave about nine tenths.
@pytest.mark.parametrize(
    ("base", "card", "dtype", "recomputes"),
    [
        ("sd21", 6, BF16, False),
        ("sd21", 6, HALF, False),  # RTX 2060
        ("sd21", 6, FP32, True),  # GTX 1660
        ("sd21", 4, BF16, True),
        ("sd21", 12, FP32, False),
        ("sdxl", 10, BF16, True),
        ("sdxl", 11, HALF, True),  # RTX 2080 Ti
        ("sdxl", 16, BF16, False),
    ],
)
def test_the_default_chooses_by_what_is_free(host, monkeypatch, caplog, base, card, dtype, recomputes):
    from helpers.fake_memory import full_size

    caplog.set_level("INFO")
    model, clip = full_size(base, HALF)
    monkeypatch.setattr(host.memory, "obtainable", lambda _device: 0.9 * card * GB)
    need, chosen = host.memory.plan_memory(
        model.get_model_object("diffusion_model"),
        clip.cond_stage_model,
        host.text.HostTextEncoders(clip).family.activations,
        torch.device("cuda", 0),
        dtype=dtype,
        resolution=SIDES[base],
        batch_size=1,
        low_memory=False,
    )
    assert chosen == recomputes
    assert need.total < 0.9 * card * GB
    assert ("gradient checkpointing (low_memory)" in caplog.text) == recomputes


@pytest.fixture
def trio(host, tiny_eps):
    from helpers import host_tiny

    with torch.inference_mode():
        return host_tiny.load_trio(tiny_eps)


def test_what_is_learned_is_asked_for_too(host, trio):
    with host.backend.comfy_backend(*trio) as alone, host.backend.comfy_backend(*trio, learned=GB) as both:
        assert both.memory == alone.memory + GB


def test_where_memory_is_short_a_training_recomputes_by_itself(host, trio, monkeypatch, caplog):
    caplog.set_level("INFO")
    with host.backend.comfy_backend(*trio) as backend, backend.computing(Compute()):
        plain = gradient_direction(backend)
    (line,) = [record.getMessage() for record in caplog.records if "training takes" in record.getMessage()]
    assert "1.5 GB in addition to 0.0 GB of weights" in line and "can be had on cpu" in line
    assert "low_memory" not in caplog.text
    monkeypatch.setattr(host.memory.MemoryNeed, "fits", lambda _need, _device: False)
    with host.backend.comfy_backend(*trio) as backend, backend.computing(Compute()):
        again = gradient_direction(backend)
        assert any("forward" in module.__dict__ for module in backend.unet.modules())
    assert "with gradient checkpointing (low_memory); 1.5 GB would be needed without" in caplog.text
    # The same operations on tensors that lie otherwise in memory: the rounding of fp32, in vectors of length one.
    torch.testing.assert_close(again, plain, rtol=0, atol=1e-5)
    assert not any("forward" in module.__dict__ for module in trio[0].model.modules())


def test_the_estimate_grows_with_the_picture_and_the_batch(host, trio):
    def beside(resolution: int, batch_size: int, **kwargs: bool) -> int:
        return host.memory.training_memory(
            trio[0].get_model_object("diffusion_model"),
            trio[1].cond_stage_model,
            host.families.FAMILIES["h",].activations,
            dtype=FP32,
            resolution=resolution,
            batch_size=batch_size,
            **{"low_memory": False, **kwargs},
        ).beside

    assert beside(512, 1, low_memory=True) < beside(512, 1) < beside(512, 2) < beside(1024, 1)


def test_what_can_be_had_counts_the_models_that_may_leave(host, trio, monkeypatch):
    from comfy import model_management

    gpu = torch.device("cuda", 0)
    there = SimpleNamespace(device=gpu, model=object(), model_loaded_memory=lambda: 3 * GB)
    gone, elsewhere = (
        SimpleNamespace(device=gpu, model=None),
        SimpleNamespace(device=torch.device("cpu"), model=object()),
    )
    monkeypatch.setattr(model_management, "current_loaded_models", [there, gone, elsewhere])
    monkeypatch.setattr(model_management, "get_free_memory", lambda _device: 2 * GB)
    assert host.memory.obtainable(gpu) == 5 * GB
