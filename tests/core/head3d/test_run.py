"""Heads that are optimised: determinism, going on from a checkpoint, what stops them, and that they get better."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.errors import DamagedFileError, StableIdentityError, TrainingError
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.head3d import HeadRun, HeadSettings, Splat, with_preset
from stableidentity_core.head3d.checkpoint import load_head, save_head, work_of
from stableidentity_core.head3d.densify import SPLIT_ABOVE, Evidence, densify, reset_opacities
from stableidentity_core.head3d.losses import pixel_loss
from stableidentity_core.head3d.memory import head_memory
from stableidentity_core.head3d.optimiser import Adam
from stableidentity_core.head3d.settings import PRESETS, from_dict
from stableidentity_core.head3d.splat import Gaussians
from stableidentity_core.head3d.start import first_gaussians, neighbour_distances
from stableidentity_core.head3d.verdict import verdict
from stableidentity_core.head3d.view_prompts import ViewPrompts, encode_view_prompts, encode_with_words

SMALL = HeadSettings(
    steps=6, views=2, resolution=64, points=60, most_points=90, densify_every=2, densify_until=1.0, reset_every=4
)
WAYS = {
    "latent": SMALL,
    "pixel": replace(SMALL, gradient="pixel", fits=2, disparity_share=0.0, backdrop="learned", view_prompts=False),
    "sds": replace(SMALL, guidance="sds", gradient="pixel"),
}


@pytest.fixture(scope="module")
def prompts(backend) -> ViewPrompts:
    g = torch.Generator().manual_seed(0)
    words = {space.name: 0.1 * torch.randn(2, space.width, generator=g) for space in backend.text_spaces}
    return encode_view_prompts(encode_with_words(backend, words), "a photo of {}", "ugly", by_view=True)


PARTS = ("encode_with_gradient", "encode_posterior", "predict", "decode")


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel_is_looked_for_between_all_parts_of_a_step(backend, prompts, monkeypatch, way):
    """A single part takes many seconds on a CPU: encoding, each pass of the model, decoding, the way back."""
    done = []

    def noted(name: str, part):
        def act(self, *args, **kwargs):
            done.append(name)
            return part(self, *args, **kwargs)

        return act

    for name in PARTS:
        monkeypatch.setattr(DiffusersBackend, name, noted(name, getattr(DiffusersBackend, name)))
    monkeypatch.setattr(DiffusersBackend, "check_cancelled", lambda _self: done.append("look"))
    monkeypatch.setattr(Tensor, "backward", noted("backward", Tensor.backward))
    next(HeadRun(backend, prompts, WAYS[way]).steps())
    assert done[0] == "look" and {"predict", "backward"} <= set(done)
    assert not [pair for pair in pairwise(done) if "look" not in pair]


def values_of(run: HeadRun) -> list[Tensor]:
    return [value.detach().clone() for _name, value in run.gaussians.items()] + [run.backdrop.detach().clone()]


def equal(one: HeadRun, other: HeadRun) -> bool:
    return all(torch.equal(a, b) for a, b in zip(values_of(one), values_of(other), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_one_seed_gives_one_head_and_a_checkpoint_goes_on_to_the_same(backend, prompts, tmp_path, way):
    settings, path = WAYS[way], tmp_path / "head.safetensors"
    whole = HeadRun(backend, prompts, settings)
    reports = list(whole.steps())
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6]
    other = HeadRun(backend, prompts, replace(settings, seed=1))
    next(other.steps())
    first = HeadRun(backend, prompts, settings)
    for report in first.steps():
        if report.step == 3:
            break
    save_head(first, path, "this")
    resumed = HeadRun(backend, prompts, settings)
    load_head(resumed, path, "this")
    assert resumed.step == 3
    rest = list(resumed.steps())
    assert equal(whole, resumed) and not equal(whole, other)
    assert [report.loss for report in rest] == [report.loss for report in reports[3:]]
    assert not torch.equal(whole.gaussians.means[:5], HeadRun(backend, prompts, settings).gaussians.means[:5])


@pytest.mark.parametrize("way", WAYS)
def test_a_step_that_is_broken_off_leaves_no_trace(backend, prompts, monkeypatch, way):
    """As a cancel does: wherever it comes, the run goes on as if nothing had been."""
    looks, cancelled_at = 0, 0

    def look(_self) -> None:
        nonlocal looks
        looks += 1
        if looks == cancelled_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(DiffusersBackend, "check_cancelled", look)
    calm, run = (HeadRun(backend, prompts, WAYS[way]) for _one in range(2))
    reports = calm.steps()
    next(reports)
    looks = 0
    next(reports)
    last = looks
    next(run.steps())
    seen = values_of(run)
    for moment in (1, 2, last // 2, last - 1, last):
        looks, cancelled_at = 0, moment
        with pytest.raises(KeyboardInterrupt):
            next(run.steps())
        assert run.step == 1 and all(torch.equal(a, b) for a, b in zip(seen, values_of(run), strict=True))
        assert all(value.grad is None for _name, value in run.gaussians.items())
    cancelled_at = 0
    next(run.steps())
    assert equal(calm, run)


@pytest.mark.parametrize("way", WAYS)
def test_values_that_are_not_finite_stop_in_a_sentence(own_backend, prompts, way):
    own_backend.unet.conv_out.weight.data.fill_(float("inf"))
    run = HeadRun(own_backend, prompts, WAYS[way])
    before = values_of(run)
    with pytest.raises(TrainingError, match=r"Step 1: the loss is .* not finite\. The VAE or the model may overflow"):
        next(run.steps())
    assert all(torch.equal(a, b) for a, b in zip(before, values_of(run), strict=True))


def test_a_wanted_picture_is_reached(backend, prompts, monkeypatch):
    """With a guidance that always wants one picture, the views become it: the whole loop, without a trained model."""
    goal = torch.zeros(3, 64, 64)
    goal[0, 10:40, 16:48] = 1.0
    monkeypatch.setattr("stableidentity_core.head3d.losses.wanted_pictures", lambda *_args: goal.expand(2, -1, -1, -1))
    settings = replace(
        WAYS["pixel"],
        **{"steps": 40, "points": 300, "most_points": 300, "densify_every": 0, "rate": 5.0, "smoothness": 0.1},
        **{"azimuth": 5.0, "elevation": (0.0, 0.0), "fov": (0.49, 0.49), "camera_jitter": 0.0, "widen_every": 0},
        **{"guidance": "sds", "flip": False},
    )
    run = HeadRun(backend, prompts, settings)
    before = pixel_loss(run.picture(0, 64), goal)
    for _report in run.steps():
        pass
    assert pixel_loss(run.picture(0, 64), goal) < 0.25 * before


def test_checkpoints_of_other_heads_and_broken_ones_are_refused(backend, prompts, tmp_path):
    path, broken = tmp_path / "head.safetensors", tmp_path / "broken.safetensors"
    run = HeadRun(backend, prompts, SMALL)
    next(run.steps())
    save_head(run, path, "this")
    fresh = HeadRun(backend, prompts, replace(SMALL, cfg=3.0))
    with pytest.raises(StableIdentityError, match=r"other settings: cfg 7\.5 -> 3\.0"):
        load_head(fresh, path, "this")
    fresh = HeadRun(backend, prompts, replace(SMALL, rasteriser="torch"))
    with pytest.raises(StableIdentityError, match="another model, person or prompt"):
        load_head(fresh, path, "that")
    tensors, facts = read_tensors(path)
    for change in ("backdrop", "gaussians.means", "generator", "evidence.seen"):
        save_tensors(broken, {name: value for name, value in tensors.items() if name != change}, facts)
        with pytest.raises(DamagedFileError, match="not a complete checkpoint"):
            load_head(fresh, broken, "this")
    save_tensors(broken, tensors | {"adam.means.quats": torch.zeros(2, 2)}, facts)
    with pytest.raises(DamagedFileError, match="moments of quats"):
        load_head(fresh, broken, "this")
    save_tensors(broken, tensors, facts | {"format": "other"})
    with pytest.raises(StableIdentityError, match="not a checkpoint of a head"):
        load_head(fresh, broken, "this")
    assert fresh.step == 0
    load_head(fresh, path, "this")
    assert equal(fresh, run)


def test_the_work_of_a_checkpoint_is_model_prompts_and_start(prompts, backend):
    splat = HeadRun(backend, prompts, SMALL).splat()
    other = replace(prompts, negative=prompts.empty)
    works = {
        work_of("a", prompts, None),
        work_of("b", prompts, None),
        work_of("a", other, None),
        work_of("a", prompts, splat),
    }
    assert len(works) == 4 and work_of("a", prompts, splat) == work_of("a", prompts, splat)


def test_adam_is_that_of_torch():
    g = torch.Generator().manual_seed(0)
    start = {name: torch.randn(5, 3, generator=g) for name in ("a", "b")}
    ours = {name: value.clone().requires_grad_() for name, value in start.items()}
    theirs = {name: value.clone().requires_grad_() for name, value in start.items()}
    rates = {"a": 0.01, "b": 0.1}
    torchs = torch.optim.Adam([{"params": [theirs[name]], "lr": rates[name]} for name in rates], eps=1e-15)
    adam = Adam()
    for _step in range(5):
        for values in (ours, theirs):
            sum((value**3).sum() * (name == "a" or 2) for name, value in values.items()).backward()
        adam.step(ours, rates)
        torchs.step()
        torchs.zero_grad()
    for name in rates:
        assert (ours[name] - theirs[name]).abs().max() < 1e-6


def some(count: int) -> Gaussians:
    gaussians = first_gaussians(count, torch.Generator().manual_seed(0))
    return Gaussians(**{name: value.requires_grad_() for name, value in gaussians.items()})


def with_moments(gaussians: Gaussians) -> Adam:
    return Adam(
        steps=3,
        means={
            name: torch.ones_like(value) * torch.arange(len(value)).view(-1, *[1] * (value.ndim - 1))
            for name, value in gaussians.items()
        },
        squares={name: torch.ones_like(value) for name, value in gaussians.items()},
    )


def test_gaussians_that_lack_detail_are_doubled_or_split_and_faint_ones_dropped():
    gaussians = some(20)
    with torch.no_grad():
        gaussians.log_scales[:] = torch.tensor(SPLIT_ABOVE * 0.5).log()
        gaussians.log_scales[1] = torch.tensor(SPLIT_ABOVE * 2).log()
        gaussians.opacity_logits[2] = -7.0
    adam, evidence = with_moments(gaussians), Evidence.none(20, torch.device("cpu"))
    evidence.gradients[:3], evidence.seen[:3] = 1.0, 5.0
    g = torch.Generator().manual_seed(0)
    found = densify(gaussians, adam, evidence, SMALL, prune_large=False, generator=g)
    # 20, one of which is doubled, one replaced by two, and one (with its copy) dropped
    assert len(found) == 20 - 1 - 1 + 1 + 2
    assert all(value.requires_grad and len(value) == len(found) for _name, value in found.items())
    kept = [0, *range(3, 20)]
    assert torch.equal(found.means[: len(kept)], gaussians.means[kept])
    assert torch.equal(found.means[len(kept)], gaussians.means[0]), "doubled in its place"
    halves = found.log_scales[-2:]
    assert torch.allclose(halves, gaussians.log_scales[1] - torch.tensor(1.6).log())
    assert not torch.equal(found.means[-1], found.means[-2])
    assert (found.means[-2:] - gaussians.means[1]).abs().max() < 6 * SPLIT_ABOVE
    assert adam.means["quats"][:, 0].tolist() == [*kept, 0, 0, 0], "new ones begin with zeros"


def test_there_are_never_more_gaussians_than_allowed():
    gaussians, evidence = some(60), Evidence.none(60, torch.device("cpu"))
    evidence.gradients[:], evidence.seen[:] = 1.0, 1.0
    settings = replace(SMALL, most_points=70)
    found = densify(gaussians, Adam(), evidence, settings, prune_large=False, generator=torch.Generator())
    assert 60 < len(found) <= 70


def test_large_ones_are_dropped_once_opacities_were_reset_but_never_all():
    gaussians, evidence = some(20), Evidence.none(20, torch.device("cpu"))
    with torch.no_grad():
        gaussians.log_scales[:] = -3.0
        gaussians.log_scales[0] = 0.0
    evidence.largest[1] = 0.1
    found = densify(gaussians, Adam(), evidence, SMALL, prune_large=True, generator=torch.Generator())
    assert torch.equal(found.means, gaussians.means[2:])
    with torch.no_grad():
        gaussians.opacity_logits[:] = -9.0
    assert densify(gaussians, Adam(), evidence, SMALL, prune_large=True, generator=torch.Generator()) is gaussians


def test_reset_opacities_are_faint_and_begin_again():
    gaussians = some(8)
    adam = with_moments(gaussians)
    reset_opacities(gaussians, adam)
    assert gaussians.opacity_logits.sigmoid().max() <= 0.01 + 1e-6
    assert "opacity_logits" not in adam.means and "quats" in adam.means


def test_the_first_head_is_a_bust_of_the_right_size():
    gaussians = first_gaussians(500, torch.Generator().manual_seed(0))
    low, high = gaussians.means.amin(0), gaussians.means.amax(0)
    assert len(gaussians) == 500 and (low > -1.2).all() and (high < 1.7).all()
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [7, 0, 0], [15, 0, 0]])
    assert neighbour_distances(points)[:2].tolist() == pytest.approx([(1 + 3 + 7) / 3, (1 + 2 + 6) / 3])


def test_distances_of_many_points_are_nearly_those_of_all_pairs(monkeypatch):
    points = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0))
    exact = neighbour_distances(points)
    monkeypatch.setattr("stableidentity_core.head3d.start.TOGETHER", 500)
    looks = []
    halved = neighbour_distances(points, lambda: looks.append(None))
    assert len(looks) > 3000 / 500
    assert (halved >= exact - 1e-6).all() and (halved < exact * 1.01).float().mean() > 0.6
    assert abs(halved.median() / exact.median() - 1) < 0.1


def test_settings_out_of_range_are_named():
    for name, value, said in (
        ("steps", 0, "steps is 0, needed a number from 1 to 100000"),
        ("views", 2.5, "views is 2.5, needed a whole number"),
        ("guidance", "magic", "guidance is 'magic', needed one of ism, sds"),
        ("radius", (5.0, 4.0), "radius is 5 to 4, needed a range that rises"),
        ("resolution", 100, "resolution is 100, needed a multiple of 8"),
        ("fits", 2, "fits is 2, needed 1 with gradient latent"),
        ("most_points", 100, "points is 80000, needed at most most_points"),
        ("cfg", float("nan"), "cfg is nan"),
    ):
        with pytest.raises(StableIdentityError, match=said):
            replace(HeadSettings(), **{name: value})
    with pytest.raises(StableIdentityError, match="no setting 'magic'"):
        from_dict({"magic": 1})
    with pytest.raises(StableIdentityError, match="needed one of paper, quick, mini_world"):
        with_preset(HeadSettings(), "best")
    for preset in PRESETS:
        settings = with_preset(HeadSettings(), preset)
        assert from_dict(settings.as_dict()) == settings
    assert with_preset(HeadSettings(), "paper") == HeadSettings()


def test_the_memory_grows_with_what_needs_it():
    paper, quick = (head_memory(with_preset(HeadSettings(), preset)) for preset in ("paper", "quick"))
    assert quick.total < paper.total
    assert head_memory(HeadSettings(resolution=256)).pictures < head_memory(HeadSettings()).pictures
    assert head_memory(HeadSettings(), itemsize=2).pictures == head_memory(HeadSettings()).pictures // 2


def test_known_failures_are_told():
    full = first_gaussians(4000, torch.Generator().manual_seed(0)).splat()
    solid = Splat(**{**vars(full), "opacities": torch.full((4000,), 0.9)})
    assert verdict(solid, [1.0] * 20, 180.0) == []
    assert "up to 15 degrees" in verdict(solid, [], 15.0)[0]
    front = solid.positions[:, 2] < 0
    half = Splat(**{name: value[front] for name, value in vars(solid).items()})
    assert any("hollow from about" in text for text in verdict(half, [], 180.0))
    assert any("drift away" in text for text in verdict(solid, [1.0] * 10 + [1.6] * 10, 180.0))
    assert verdict(solid, [0.1] * 10 + [1.0] * 10, 180.0) == [], "it begins as a grey bust"
    bright = (solid.positions[:, 1] < 0) & (solid.positions[:, 0] > 0) | (solid.positions[:, 1] > 0.8)
    same_behind = Splat(**{**vars(solid), "colours": bright.float()[:, None].repeat(1, 3)})
    assert any("two faces" in text for text in verdict(same_behind, [], 180.0))


def test_a_start_splat_is_where_a_head_begins(backend, prompts):
    splat = first_gaussians(50, torch.Generator().manual_seed(3)).splat()
    run = HeadRun(backend, prompts, SMALL, splat)
    for name, value in vars(run.splat()).items():
        assert (value - getattr(splat, name)).abs().max() < 1e-6, name


def test_checkpoints_are_equal_bytes(backend, prompts, tmp_path: Path):
    paths = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for path in paths:
        run = HeadRun(backend, prompts, WAYS["pixel"])
        next(run.steps())
        save_head(run, path, "this")
    assert paths[0].read_bytes() == paths[1].read_bytes()
