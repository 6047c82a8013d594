"""What a step takes on its device, counted in ComfyUI's networks of full size on tensors without data."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import torch
from torch import nn

from stableidentity_core.backends.compute import gradient_checkpointing

pytestmark = pytest.mark.host
GB = 10**9
BF16, FP8 = torch.bfloat16, torch.float8_e4m3fn
CLIPS = 1.64 * GB  # CLIP-L and CLIP-G of SD3.5 in fp16
# Weights, at most so many GB on the device beside what is learned, diffusion model and text encoder in turns.
GOALS = [
    ("SD3.5-medium", "SD3.5", FP8, 8.0),
    ("Wan2.1 1.3B", "Wan", FP8, 8.0),
    ("Wan2.2 5B", "Wan", FP8, 8.0),
    ("Z-Image", "Z-Image", FP8, 8.0),
    ("Z-Image", "Z-Image", BF16, 16.0),
    ("Flux.2 klein 4B", "Flux.2 klein", FP8, 8.0),
]


@pytest.mark.full_size
@pytest.mark.parametrize(("name", "family", "weights", "goal"), GOALS)
def test_a_step_of_full_size_fits_the_card_and_takes_what_is_estimated(host, name, family, weights, goal):
    """VAE, CUDA's context and fragmentation are not counted. As in files, only matrices are in 8 bits."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from helpers.flow_full_size import NETWORKS, TEXTS, text_encoder

    size = NETWORKS[name]
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode(False), torch.enable_grad():
        network = as_in_files(size.make(weights, "cpu"))
        encoder, tokens = TEXTS[name]
        text = as_in_files(text_encoder(encoder, weights, "cpu"))
        table = text.get_input_embeddings()

        def painted() -> torch.Tensor:
            context = torch.zeros(1, *size.text, dtype=BF16, requires_grad=True)
            return size(network, torch.zeros(size.latent, dtype=BF16), context)

        def read() -> torch.Tensor:
            rows = table(torch.ones(1, tokens, dtype=torch.int64), out_dtype=torch.float32)
            return text(
                None,
                torch.ones(1, tokens, dtype=torch.int64),
                embeds=rows.requires_grad_(True),
                num_tokens=[tokens],
                intermediate_output=None,
                dtype=torch.float32,
            )[0]

        with host.fp8.in_full_precision(text):
            peaks = peak(host, network, painted), peak(host, text, read)
    bytes_of = host.memory.weight_bytes
    clips = CLIPS if name.startswith("SD3.5") else 0
    assert max(bytes_of(network) + peaks[0], bytes_of(text) + clips + peaks[1]) <= goal * GB
    kept = next(entry for entry in host.table.FLOW_FAMILIES if entry.name.startswith(family)).activations
    views = host.memory.counted_views(network, kept, 512, 8 * 64 // size.latent[-1])
    cast = host.memory.largest_cast(network, BF16), host.memory.largest_cast(text, torch.float32)
    estimated = views * kept.network_low + cast[0], kept.text_low + cast[1]
    for found, told in zip(peaks, estimated, strict=True):
        assert found <= 1.1 * told and told <= 1.5 * found, "more is taken than is asked for, or much less"


def as_in_files(network: nn.Module) -> nn.Module:
    """Tables of words, and what is no matrix, stay in 16 bits where the rest is in 8."""
    tables = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    for value in network.parameters():
        if value.itemsize == 1 and (value.ndim < 2 or id(value) in tables):
            value.data = value.data.to(BF16)
    return network


def peak(host, network: nn.Module, forward: Callable[[], torch.Tensor]) -> int:
    """Bytes of one step beside the weights, with blocks recomputed."""
    from helpers.fake_memory import PeakMemory

    with ExitStack() as stack:
        stack.enter_context(gradient_checkpointing(host.blocks.blocks_of(network)))
        stack.enter_context(host.blocks.on_copies(host.blocks.norms_of(network)))
        stack.enter_context(host.weights.host_in_training_mode())
        memory = stack.enter_context(PeakMemory())
        gc.collect()
        before = memory.peak = memory.live
        forward().float().sum().backward()
        return memory.peak - before


def test_what_is_learned_is_asked_for_too(host, trios):
    from stableidentity_core.backends.compute import AS_LOADED

    model, clip, vae = trios("Wan")
    text = host.any_text.host_text(clip)

    def memory(learned: int) -> int:
        given = {"resolution": 64, "batch_size": 1, "compute": AS_LOADED, "fingerprint": "tiny", "learned": learned}
        with host.models.host_backend(model, text, vae, **given) as backend:
            return backend.memory

    assert memory(GB) == memory(0) + GB


# Cards by their memory in GB, of which the driver and the desktop leave about nine tenths.
@pytest.mark.parametrize(
    ("card", "in_turns", "recomputes"),
    [(8, True, True), (15, False, True), (48, False, False)],
)
def test_the_way_is_chosen_by_what_is_free(host, monkeypatch, caplog, card, in_turns, recomputes):
    caplog.set_level("INFO")
    memory = host.memory

    class Block(nn.Module):
        def __init__(self, gigabytes: float):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(int(gigabytes * GB / 2), dtype=BF16, device="meta"))

    def network(dtype: torch.dtype) -> nn.Module:
        return nn.ModuleDict({"blocks": nn.ModuleList([Block(3.0).to(dtype), Block(3.0).to(dtype)])})

    monkeypatch.setattr(memory.MemoryNeed, "fits", lambda need, _device: need.total <= 0.9 * card * GB)
    plan = memory.plan_flow_memory(
        network(BF16),
        nn.ModuleDict({"blocks": nn.ModuleList([Block(3.0).float()])}),
        host.table.FLOW_FAMILIES[0].activations,
        torch.device("cpu"),
        dtype=BF16,
        resolution=512,
        batch_size=1,
        low_memory=False,
        factor=8,
    )
    assert (plan.apart, plan.recomputes) == (in_turns, recomputes)
    assert ("in turns" in caplog.text) == in_turns
