"""The same training through both adapters."""

from __future__ import annotations

import pytest
import torch

from helpers.host_backends import host_backend
from helpers.trainings import learn_identity
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.encode import encode_face, load_face_vit
from stableidentity_core.face import portrait
from stableidentity_core.text import build_name_space
from stableidentity_core.train import TrainConfig, TrainingRun
from stableidentity_core.train.projector_init import make_projector

CONFIG = TrainConfig(steps=12, resolution=64, seed=3)


@pytest.fixture(scope="module")
def astronaut(face_vit):
    import skimage.data

    photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1) / 255
    return encode_face(load_face_vit(face_vit), portrait(photo))


def learned(backend, face):
    """The words before the training, by their text space, and what came of it."""
    spaces = [build_name_space(space) for space in backend.text_spaces]
    run = TrainingRun(backend, [face], make_projector(backend, [face], spaces, CONFIG), CONFIG)
    return run.words(), learn_identity(run, spaces, "anna")


@pytest.mark.host
def test_both_adapters_learn_the_same_words(tiny_folder, astronaut, comfyui):
    start, by_diffusers = learned(load_diffusers(tiny_folder), astronaut)
    with host_backend(comfyui, tiny_folder) as backend:
        _start, by_comfyui = learned(backend, astronaut)
    words, others = by_diffusers.identity.words, by_comfyui.identity.words
    assert list(words) == list(others)
    for space in words:
        # Rounding of the schedules and of sums in another order, which grows through the steps of Adam.
        assert (words[space] - others[space]).norm() < 0.1 * (words[space] - start[space]).norm()
    losses = by_diffusers.losses
    assert (losses - by_comfyui.losses).abs().max() < 0.01 * losses.std()  # they are of other timesteps at each step


@pytest.mark.host
def test_training_without_inference_tensors_left_behind(tiny_eps, astronaut, comfyui):
    """Words, losses and projector of a training can be used in any mode."""
    with host_backend(comfyui, tiny_eps) as backend:
        _start, result = learned(backend, astronaut)
    tensors = [result.losses, *result.identity.words.values(), *result.projector.state.values()]
    assert not any(tensor.is_inference() or tensor.requires_grad for tensor in tensors)


@pytest.mark.host
def test_the_hosts_modules_are_left_as_found(tiny_eps, astronaut, comfyui):
    """Hooks, flags, regulariser and requires_grad are as before; no weight has a gradient or another value."""
    from helpers import host_tiny
    from helpers.pack import pack_module

    adapter = pack_module("nodes.host.backend", comfyui)
    with torch.inference_mode():
        model, clip, vae = host_tiny.load_trio(tiny_eps)
    modules = [model.model, clip.cond_stage_model, vae.first_stage_model]
    before = [state_of(module) for module in modules]
    with adapter.comfy_backend(model, clip, vae) as backend:
        learned(backend, astronaut)
    for module, was in zip(modules, before, strict=True):
        now = state_of(module)
        assert now.keys() == was.keys()
        assert all(torch.equal(now[name][0], was[name][0]) and now[name][1:] == was[name][1:] for name in now)
        assert all(parameter.grad is None for parameter in module.parameters())
        assert not any(part._forward_pre_hooks or part._forward_hooks for part in module.modules())
    assert type(vae.first_stage_model.regularization).__name__ == "DiagonalGaussianRegularizer"
    assert model.patches == {} and not torch.is_inference_mode_enabled()


def state_of(module):
    return {name: (value.detach().clone(), value.requires_grad) for name, value in module.named_parameters()}
