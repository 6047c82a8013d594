"""Pictures of a person who is learned leave no trace in the training; tests/host compares them with KSampler's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.host_backends import host_backend
from helpers.make import rng, some_face
from helpers.pack import pack_module
from helpers.trainings import small
from stableidentity_core.identity import Identity
from stableidentity_core.text.names import celebrity_names
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.session import Person, TrainingSession, name_spaces_of, unchecked

pytestmark = pytest.mark.host
ANNA = Identity(trigger="<anna>", words={"clip_h": 0.1 * torch.randn(2, 64, generator=rng(3))}, header={})


@pytest.fixture
def painting(comfyui, tmp_path, monkeypatch) -> Any:
    module = pack_module("nodes.host.painting", comfyui)
    monkeypatch.setattr(module.paths, "session_folder", lambda: tmp_path)
    return module


@pytest.fixture
def trio(comfyui, tiny_eps: Path) -> tuple[Any, Any, Any]:
    from helpers.host_tiny import load_trio

    with torch.inference_mode():  # as in nodes
        return load_trio(tiny_eps)


def test_the_global_random_state_stays(painting, trio):
    before = torch.get_rng_state()
    painting.Painter(*trio, prompt="<person>", side=64, seed=5)(ANNA)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failure_is_told_once_and_ends_the_painting(painting, trio, caplog, monkeypatch):
    calls = []
    monkeypatch.setattr(trio[2], "decode", lambda latents: calls.append(latents) or 1 / 0)
    painter = painting.Painter(*trio, prompt="<person>", side=64, seed=5)
    assert painter(ANNA) is None and painter(ANNA) is None
    assert len(calls) == 1 and len([r for r in caplog.records if "no picture of <anna>" in r.message]) == 1


def test_a_cancel_in_the_sampler_passes_through(painting, trio, monkeypatch):
    from comfy import model_management

    steps = []

    def cancelled(step: int, *_others: Any) -> None:
        steps.append(step)
        if step == 2:
            model_management.interrupt_current_processing(True)
            painting.check_cancelled()

    monkeypatch.setattr(painting, "_check", cancelled)
    painter = painting.Painter(*trio, prompt="<person>", side=64, seed=5)
    with pytest.raises(model_management.InterruptProcessingException):
        painter(ANNA)
    assert steps == [0, 1, 2] and not painter.failure


@pytest.fixture(params=["model", "bf16", "bf16, low memory"])
def config(request) -> TrainConfig:
    """Computing with the host's own weights, with copies of them, and with the host's own cast block by block."""
    precision, *low = request.param.split(", ")
    return small(steps=3, precision=precision, low_memory=bool(low))


def words_with(painter: Any, backend: Any, config: TrainConfig, after: tuple[int, ...]) -> Iterator[Tensor]:
    spaces = name_spaces_of(backend, celebrity_names()[:40])
    people = [Person(trigger="<anna>", faces=[some_face(seed=1)])]
    session = TrainingSession(backend, people, config, name_spaces=spaces, check=unchecked)

    def on_step(reports: Any) -> None:
        if reports[0].step in after:
            words = session.runs[0].words()
            with backend.networks.lent():
                assert painter(Identity(trigger="<anna>", words=words, header={})) is not None, painter.failure

    (result,) = session.learn(on_step)
    yield from result.identity.words.values()
    yield result.losses


def test_pictures_in_between_change_nothing_in_what_is_learned(comfyui, tiny_eps, painting, config):
    with host_backend(comfyui, tiny_eps) as backend:
        networks = backend.networks
        own = networks.own
        trio = (own.patchers[0], own.text.clip, backend.vae)
        plain = list(words_with(None, backend, config, ()))
        for after in ((1,), (1, 2, 3)):
            painter = painting.Painter(*trio, prompt="<person>", side=64, seed=5)
            painted = list(words_with(painter, backend, config, after))
            assert all(torch.equal(one, other) for one, other in zip(plain, painted, strict=True))


def test_lent_networks_are_as_the_host_had_them(comfyui, tiny_eps):
    with host_backend(comfyui, tiny_eps) as backend:
        networks = backend.networks
        layers = networks.own.casting_layers
        in_training = [layer.comfy_cast_weights for layer in layers]
        with networks.lent():
            assert torch.is_inference_mode_enabled()
            assert [layer.comfy_cast_weights for layer in layers] == [casts for _, casts in networks._casting_before]
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
        assert [layer.comfy_cast_weights for layer in layers] == in_training
