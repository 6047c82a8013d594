"""The loop: what is learned, what stays as it was, and that a seed decides everything."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from helpers.make import rng, some_face
from helpers.trainings import FEATURES, draw_batch, finish, held_out_loss, new_run, small, words
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face
from stableidentity_core.train.augment import augment
from stableidentity_core.train.batch import Source


def test_one_seed_gives_equal_bytes_and_another_does_not(backend, names):
    runs = [new_run(backend, names, small(seed=seed)) for seed in (1, 1, 2)]
    losses = [finish(run) for run in runs]
    assert losses[0] == losses[1] != losses[2]
    first, again, other = (words(run).numpy().tobytes() for run in runs)
    assert first == again != other


def test_reports_count_from_one_and_show_each_step(backend, names):
    reports = list(new_run(backend, names, small(batch_size=3)))
    assert [(report.step, report.steps) for report in reports] == [(i, 4) for i in (1, 2, 3, 4)]
    for report in reports:
        assert report.loss > 0 and report.grad_norm > 0 and len(report.times) == 3
        assert report.z0.shape == (3, 4, 8, 8) and report.z0.isfinite().all() and not report.z0.requires_grad


def test_a_finished_run_does_not_go_on(backend, names):
    run = new_run(backend, names)
    finish(run)
    before = words(run)
    assert finish(run) == [] and torch.equal(words(run), before)


def test_only_the_projector_learns(own_backend, names):
    modules = (own_backend.unet, own_backend.vae, own_backend.texts["clip_h"].model)
    before = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    run = new_run(own_backend, names)
    start = {name: value.clone() for name, value in run.projector.state_dict().items()}
    finish(run)
    for module, state in zip(modules, before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
        assert all(parameter.grad is None for parameter in module.parameters())
        assert not any(submodule._forward_hooks for submodule in module.modules())
    for name, value in run.projector.state_dict().items():
        is_statistic = name.endswith((".mean", ".std"))
        assert torch.equal(value, start[name]) == is_statistic, name


def test_the_global_random_states_are_left_alone(backend, names):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    run = new_run(backend, names)
    held_out_loss(backend, run.faces, run.projector, run.config, draws=2)
    finish(run)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]


def test_other_random_numbers_drawn_between_the_steps_change_nothing(backend, names):
    calm, stirred = new_run(backend, names), new_run(backend, names)
    finish(calm)
    for _ in stirred:
        torch.randn(5)
        torch.manual_seed(3)
    assert torch.equal(words(calm), words(stirred))


def gradient_norm(run) -> float:
    return torch.cat([parameter.grad.flatten() for parameter in run.projector.parameters()]).norm().item()


def test_gradients_are_clipped_and_reported_before(backend, names):
    free = new_run(backend, names, small(max_grad_norm=1e6))
    reported = next(iter(free)).grad_norm
    assert gradient_norm(free) == pytest.approx(reported, rel=1e-4)  # one norm of parts against one of all, in float32
    limit = reported / 10
    clipped = new_run(backend, names, small(max_grad_norm=limit))
    assert next(iter(clipped)).grad_norm == pytest.approx(reported, rel=1e-6)
    assert gradient_norm(clipped) == pytest.approx(limit, rel=1e-3)  # torch adds 1e-6 to the norm it divides by


def test_optimiser_is_adamw_as_set(backend, names):
    rate, beta1, beta2, decay = 2e-3, 0.8, 0.9, 0.3
    run = new_run(backend, names, small(learning_rate=rate, beta1=beta1, beta2=beta2, weight_decay=decay, steps=3))
    weight = run.projector.spaces["clip_h"].first.weight
    expected = weight.detach().double().clone()
    mean = square = torch.zeros_like(expected)
    for report in run:
        gradient = weight.grad.double()
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        step = mean / (1 - beta1**report.step) / ((square / (1 - beta2**report.step)).sqrt() + 1e-8)
        expected = expected * (1 - rate * decay) - rate * step  # decoupled decay, arXiv 1711.05101, Alg. 2
    assert (weight - expected).abs().max() < 1e-6  # float32 beside values of about 1


def test_v_models_train(v_backend, names):
    run = new_run(v_backend, names)
    before = words(run)
    assert all(report.z0.isfinite().all() for report in run)
    assert not torch.equal(words(run), before)


def test_features_follow_the_mirroring_of_the_view(backend):
    face = some_face(features=FEATURES)
    seen = set()
    for seed in range(12):
        mirrored = augment(face, 64, 8, rng(seed)).mirrored  # the first draw from an equal generator
        batch = draw_batch(backend, Source(faces=[face], generator=rng(seed)), small())
        expected = face.feature.mirrored if mirrored else face.feature.plain
        assert torch.equal(batch.features[0], expected)
        seen.add(mirrored)
    assert seen == {True, False}


def test_timesteps_come_from_the_whole_schedule_and_templates_from_the_whole_list(backend):
    batches = [
        draw_batch(backend, Source(faces=[some_face()], generator=rng(seed)), small(batch_size=32)) for seed in range(8)
    ]
    t = torch.cat([batch.draw.times for batch in batches]).double()
    # 256 uniform draws: the outer 4 % stay empty with probability 3e-5; mean within four standard errors.
    assert t.min() < 40 and t.max() > 959 and abs(t.mean() - 499.5) < 4 * 1000 / 12**0.5 / 16
    assert len({template for batch in batches for template in batch.templates}) > 40


def test_all_photos_are_used_and_the_words_come_from_their_mean(backend, names):
    faces = [some_face(features=FEATURES, seed=seed) for seed in (1, 5)]
    run = new_run(backend, names, faces=faces)
    mean = (faces[0].feature.plain + faces[1].feature.plain) / 2
    with torch.no_grad():
        assert torch.equal(words(run), run.projector(mean[None])["clip_h"][0])
    drawn = torch.cat(
        [draw_batch(backend, Source(faces=faces, generator=rng(seed)), small()).features for seed in range(16)]
    )
    for face in faces:
        own = torch.stack([face.feature.plain, face.feature.mirrored])
        assert any(torch.equal(row, feature) for row in drawn for feature in own)


def test_a_face_without_a_feature_is_refused(backend, names):
    face = some_face()
    bare = Face(image=face.image, face_mask=face.face_mask, hair_mask=face.hair_mask)
    for faces in ([bare], [face, bare]):
        with pytest.raises(StableIdentityError, match="each with its feature"):
            new_run(backend, names, faces=faces)


def test_cancelling_stops_between_steps_and_the_run_can_go_on(own_backend, names):
    """What the host raises when the user cancels comes through, and the steps done are kept."""
    calls = []

    def cancel_at_third() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    own_backend.check_cancelled = cancel_at_third
    run = new_run(own_backend, names)
    with pytest.raises(KeyboardInterrupt):
        finish(run)
    assert run.step == 2
    finish(run)
    whole = new_run(own_backend, names)
    finish(whole)
    assert torch.equal(words(run), words(whole))


def test_held_out_draws_are_the_same_each_time_and_change_nothing(backend, names):
    run = new_run(backend, names)
    before = words(run)
    values = [held_out_loss(backend, run.faces, run.projector, run.config, draws=3) for _ in range(2)]
    other = held_out_loss(backend, run.faces, run.projector, run.config, draws=3, seed=1)
    assert values[0] == values[1] != other
    assert torch.equal(words(run), before)
    assert all(parameter.grad is None for parameter in run.projector.parameters())
    fresh = new_run(backend, names)
    finish(run)
    finish(fresh)
    assert torch.equal(words(run), words(fresh)), "measuring must not use up the run's random numbers"
