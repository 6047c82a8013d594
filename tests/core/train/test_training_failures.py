"""Trainings that cannot teach anything stop at once, and say why. Real models with real faults."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.failures import InfiniteSlope, break_weights
from helpers.trainings import finish, new_run, small, words
from stableidentity_core.errors import TrainingError
from stableidentity_core.text import tokenize_templates
from stableidentity_core.text.start_words import start_words
from stableidentity_core.train import TrainingRun, gradient_check
from stableidentity_core.train.gradient_check import check_gradient, gradient_direction


def cross_attentions(backend) -> list[nn.Module]:
    found = [module for name, module in backend.unet.named_modules() if name.endswith("attn2")]
    assert found
    return found


def block_text(backend) -> None:
    for attention in cross_attentions(backend):
        attention.to_k.weight.data.zero_()
        attention.to_v.weight.data.zero_()


@pytest.mark.parametrize(
    "fault,message", [(break_weights, "Step 1: the loss is nan"), (block_text, "Step 1: the gradient is exactly zero")]
)
def test_a_fault_of_the_model_is_found_in_the_first_step_and_nothing_is_learned(own_backend, names, fault, message):
    fault(own_backend)
    run = new_run(own_backend, names)
    before = words(run)
    with pytest.raises(TrainingError, match=message):
        finish(run)
    assert run.step == 0 and torch.equal(words(run), before)


def test_a_fault_in_the_middle_keeps_the_steps_before_it(own_backend, names):
    run = new_run(own_backend, names, small(steps=6))
    with pytest.raises(TrainingError, match="Step 4: the loss is nan"):
        for report in run:
            if report.step == 3:
                before = words(run)
                break_weights(own_backend)
    assert run.step == 3 and torch.equal(words(run), before)


def test_a_gradient_that_is_not_finite_is_found_though_the_loss_is(backend, names):
    plain = new_run(backend, names)
    run = TrainingRun(backend, plain.faces, InfiniteSlope(plain.projector), plain.config)
    with pytest.raises(TrainingError, match="Step 1: the gradient is nan"):
        finish(run)
    assert run.step == 0


def test_the_check_before_training_finds_a_blocked_and_a_broken_model(own_backend):
    block_text(own_backend)
    with pytest.raises(TrainingError, match=r"gradient at the words is 0\.0 before the first step"):
        check_gradient(own_backend, compare=False)
    break_weights(own_backend)
    with pytest.raises(TrainingError, match="gradient at the words is nan"):
        check_gradient(own_backend, compare=False)


class NoBackward(nn.Module):
    """An attention kernel that computes rightly and has no backward pass, as sage and flash builds do."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        with torch.no_grad():
            return self.inner(*args, **kwargs)


def test_the_check_finds_layers_without_a_backward_pass_by_comparing(own_backend):
    """The gradient is finite and not zero there, only wrong."""
    blocks = [module for module in own_backend.unet.modules() if hasattr(module, "attn2")]
    for block in blocks[: len(blocks) // 2]:
        block.attn2 = NoBackward(block.attn2)
    assert check_gradient(own_backend, compare=False) == 0.0
    with pytest.raises(TrainingError, match=r"differs by .* attention kernel"):
        check_gradient(own_backend, compare=True)


def test_the_check_computes_in_fp32_on_gpus_that_would_round(own_backend, monkeypatch):
    """TF32 is torch's default for convolutions, and left 0.05 of the allowed 0.1 when its rounding was imitated."""
    seen = []
    parts = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    own_backend.unet.conv_in.register_forward_pre_hook(
        lambda *_args: seen.append([part.fp32_precision for part in parts])
    )
    before = [part.fp32_precision for part in parts]
    for part in parts:
        part.fp32_precision = "tf32"
    try:
        check_gradient(own_backend, compare=True)
        assert seen == [["ieee", "ieee"]] * 3
        assert [part.fp32_precision for part in parts] == ["tf32", "tf32"]
    finally:
        for part, value in zip(parts, before, strict=True):
            part.fp32_precision = value


def test_a_model_that_bends_early_is_tried_with_a_smaller_step(own_backend, monkeypatch):
    plain, direction = own_backend.predict, gradient_direction(own_backend)
    (space,) = own_backend.text_spaces
    rows = {space.name: tokenize_templates(["a photo of a {}"], space)}
    words = start_words(space)[None]
    moved = words + 1e-2 * words.norm() * direction.reshape_as(words)  # as far as the larger step leads
    with torch.no_grad():
        start, end = (own_backend.encode_text(rows, {space.name: at}).context for at in (words, moved))

    def bent(z_t, times, conditioning):
        """Halfway to there begins a slope that no gradient at the start foresees."""
        way = ((conditioning.context - start) * (end - start)).sum() / (end - start).square().sum()
        return plain(z_t, times, conditioning) * (1 + 10 * (way - 0.5).clamp(min=0))

    monkeypatch.setattr(own_backend, "predict", bent)
    assert check_gradient(own_backend, compare=True) < 0.02
    monkeypatch.setattr(gradient_check, "STEPS", (1e-2,))
    with pytest.raises(TrainingError, match="differs by"):
        check_gradient(own_backend, compare=True)


def test_the_check_leaves_the_global_random_state_alone(backend):
    state = torch.get_rng_state()
    check_gradient(backend, compare=True)
    assert torch.equal(torch.get_rng_state(), state)
