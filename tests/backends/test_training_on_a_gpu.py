"""Training on a pretended GPU: with both adapters it gives the CPU's words, and hardly ever waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.make import rand, some_face
from helpers.pack import pack_module
from helpers.pretend_backends import on_a_gpu, on_the_cpu
from helpers.pretend_cuda import Wait
from helpers.pretend_device import PretendDevice
from helpers.trainings import small
from stableidentity_core.backends import Compute
from stableidentity_core.backends.protocol import STEPS_AHEAD
from stableidentity_core.text.names import celebrity_names
from stableidentity_core.train import StepReport, TrainConfig, train_together
from stableidentity_core.train.finite_guard import STEPS_BEHIND
from stableidentity_core.train.gradient_check import gradient_direction
from stableidentity_core.train.session import Person, TrainingSession, compare_in_fp32, name_spaces_of, unchecked

BASES = pytest.mark.parametrize("tiny_folder", ["sd2-eps", "sd15", "sdxl"], indirect=True)
HOST = pytest.mark.host
SETTINGS = {
    "little memory, in 16 bits": {"augmentation": "none", "precision": "bf16", "low_memory": True},
    "what auto chooses": {"precision": "auto"},
    "celeb_basis": {"method": "celeb_basis", "precision": "model"},
    "textual_inversion": {"method": "textual_inversion", "cached_views": 2, "precision": "model"},
}


@pytest.fixture(params=["diffusers", pytest.param("comfyui", marks=HOST)])
def host(request) -> Path | None:
    """The ComfyUI whose adapter is tested; None for the diffusers adapter."""
    return None if request.param == "diffusers" else request.getfixturevalue("comfyui")


def session_of(backend: Any, config: TrainConfig, people: int = 1) -> TrainingSession:
    """Trainings of people with two photos each."""
    spaces = name_spaces_of(backend, celebrity_names()[:40])
    faces = [[some_face(seed=2 * number), some_face(seed=2 * number + 1)] for number in range(people)]
    persons = [Person(trigger=f"<p{number}>", faces=own) for number, own in enumerate(faces)]
    return TrainingSession(backend, persons, config, name_spaces=spaces, check=unchecked)


def learned(backend: Any, gpu: PretendDevice | None) -> list[Tensor]:
    """All that comes out of a whole training with previews: words, losses, weights and pictures; on the CPU."""
    pictures: list[Tensor] = []

    def preview(reports: tuple[StepReport, ...]) -> None:
        assert all(report.loss > 0 and report.grad_norm > 0 and report.times for report in reports)
        pictures.append(backend.decode(reports[0].z0))

    compare_in_fp32(backend)
    (result,) = session_of(backend, small(steps=2, precision="model")).learn(preview)
    found = [*result.identity.words.values(), *result.projector.state.values(), result.losses]
    assert gpu is None or not any(gpu.has(part) for part in found)
    return [*found, *(picture.cpu() for picture in pictures)]


def stepped(backend: Any, gpu: PretendDevice | None, config: TrainConfig, people: int = 1) -> list[Tensor]:
    """The words after some steps, on the CPU."""
    runs = session_of(backend, config, people).runs
    with runs[0].computing():
        for _reports in train_together(runs):
            pass
    found = [words for run in runs for words in run.words().values()]
    assert gpu is None or not any(gpu.has(words) for words in found)
    return found


def assert_the_same(plain: list[Tensor], there: list[Tensor]) -> None:
    """Bit by bit: the pretended GPU takes the CPU's kernels in the same order."""
    assert len(plain) == len(there) > 0
    assert all(torch.equal(one, other) for one, other in zip(plain, there, strict=True))


@BASES
def test_a_gpu_learns_the_words_that_the_cpu_learns(tiny_folder, host):
    batches = small(steps=3, batch_size=2, cached_views=3, precision="model")
    with on_the_cpu(tiny_folder, host) as backend:
        plain = learned(backend, None), stepped(backend, None, batches)
    with on_a_gpu(tiny_folder, host) as (gpu, backend):
        assert backend.device == gpu.device
        assert_the_same(plain[0], learned(backend, gpu))
        assert_the_same(plain[1], stepped(backend, gpu, batches))
        assert gpu.waits, "reports, previews and results are read"


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_with_other_settings_and_several_people_too(tiny_eps, host, settings):
    config = small(steps=3, **settings)
    named = replace(config, precision="bf16") if config.precision == "auto" else config
    with on_the_cpu(tiny_eps, host) as backend:
        plain = stepped(backend, None, named, people=2)
    with on_a_gpu(tiny_eps, host) as (gpu, backend):
        assert_the_same(plain, stepped(backend, gpu, config, people=2))


def test_gradients_reach_pictures_that_are_on_the_cpu(tiny_eps, host):
    def gradient(backend: Any) -> Tensor:
        picture = rand(1, 3, 64, 64).requires_grad_(True)
        backend.encode_with_gradient(picture).square().sum().backward()
        return picture.grad

    with on_the_cpu(tiny_eps, host) as backend:
        plain = gradient(backend)
    with on_a_gpu(tiny_eps, host) as (gpu, backend):
        there = gradient(backend)
        assert not gpu.has(there)
    assert_the_same([plain], [there])
    assert plain.norm() > 0


def test_a_table_that_was_left_on_the_cpu_is_found(tiny_eps, host):
    with on_a_gpu(tiny_eps, host) as (_gpu, backend):
        session = session_of(backend, small(steps=1))
        backend.objective.sigma = backend.objective.sigma.cpu()
        with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
            session.learn()


def waits_of_steps(gpu: PretendDevice, backend: Any, **settings: Any) -> list[list[Wait]]:
    """Of each of 8 steps after the first ones, which load models, make the cached views and the optimizer's state."""
    config = small(steps=3 + STEPS_BEHIND, batch_size=2, **settings)
    (run,) = session_of(backend, config).runs
    found = []
    for report in run:
        if report.step > 3:
            found.append(gpu.waits[:])
        gpu.waits.clear()
    assert len(found) == STEPS_BEHIND
    return found


@BASES
@pytest.mark.parametrize("cached_views", [0, 3])
@pytest.mark.parametrize("host", ["diffusers", pytest.param("comfyui", marks=HOST)], indirect=True)
def test_a_step_waits_for_the_device_at_most_once(tiny_folder, host, cached_views):
    """A wait empties the device's queue; it then idles until the CPU has queued new work."""
    with on_a_gpu(tiny_folder, host) as (gpu, backend):
        steps = waits_of_steps(gpu, backend, cached_views=cached_views)
    most = max(steps, key=len)
    assert len(most) <= 1, "\n".join(map(str, most))


def test_a_step_in_fp16_waits_once_more_to_see_whether_its_gradient_overflowed(tiny_eps, host):
    """But once for all people; the search for faults, every eighth step, is another wait."""
    with on_a_gpu(tiny_eps, host) as (gpu, backend):
        session = session_of(backend, small(steps=6, cached_views=2, precision="fp16"), people=3)
        with session.runs[0].computing():
            steps = []
            for _reports in train_together(session.runs):
                steps.append(gpu.waits[:])
                gpu.waits.clear()
    (wait,) = steps[4]
    assert wait.where[0].startswith("stableidentity_core/train/loss_scale.py")


def test_with_diffusers_only_the_search_for_faults_waits(tiny_eps):
    with on_a_gpu(tiny_eps, None) as (gpu, backend):
        waits = [wait for step in waits_of_steps(gpu, backend, cached_views=0) for wait in step]
    assert [wait.where[0].partition(":")[0] for wait in waits] == ["stableidentity_core/train/finite_guard.py"]


@HOST
@BASES
def test_the_gpu_holds_one_copy_of_the_weights(tiny_folder, comfyui):
    """Computed in another type, the originals leave it, and come back afterwards."""
    with on_a_gpu(tiny_folder, comfyui) as (gpu, backend):

        def on_device(networks: Any) -> set[bool]:
            return {gpu.has(value) for module in networks.modules for value in module.parameters()}

        own = backend.networks.own
        with backend.computing(Compute(precision="bf16")):
            gradient_direction(backend)
            copies = backend.networks.now
            assert (on_device(own), on_device(copies)) == ({False}, {True})
        gradient_direction(backend)
        assert (on_device(own), on_device(copies)) == ({True}, {True})  # kept for the next training
        backend.networks.drop_copies()
        assert on_device(copies) == {False}


@HOST
def test_what_the_host_moved_away_comes_back_before_the_next_step(tiny_eps, comfyui):
    with on_a_gpu(tiny_eps, comfyui) as (gpu, backend):
        from comfy import model_management

        with backend.computing(Compute(precision="bf16")):
            expected = gradient_direction(backend)
            model_management.free_memory(1e30, gpu.device)
            backend.networks.others_were_used()
            assert not any(gpu.has(value) for value in backend.unet.parameters())
            assert torch.equal(gradient_direction(backend).cpu(), expected.cpu())


@HOST
@pytest.mark.parametrize(
    ("free", "smart", "expected"), [(10**11, True, 1), (10**9, True, STEPS_AHEAD), (10**11, False, STEPS_AHEAD)]
)
def test_steps_are_drawn_ahead_where_the_vae_would_take_the_place_of_the_others(
    tiny_eps, comfyui, monkeypatch, free, smart, expected
):
    memory = pack_module("nodes.host.memory", comfyui)
    monkeypatch.setattr(memory.args, "disable_smart_memory", not smart)
    monkeypatch.setattr(memory, "obtainable", lambda _device: free)
    with on_a_gpu(tiny_eps, comfyui) as (_gpu, backend):
        assert backend.steps_ahead == expected
