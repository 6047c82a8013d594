"""The rasteriser against a slow twin: pictures and every gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from helpers.splats import slow_picture
from stableidentity_core.errors import MissingPackageError, ShapeError
from stableidentity_core.head3d import gsplat_module
from stableidentity_core.head3d import rasterise as rasterise_module
from stableidentity_core.head3d.cameras import Cameras, cameras_around
from stableidentity_core.head3d.project import project
from stableidentity_core.head3d.render import render

SIZE = 44  # not a multiple of the tile
NAMES = ("means", "quats", "scales", "opacities", "colours")


def scene(count: int = 90, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Opaque, faint, long, tiny and huge ones, some of zero size, behind the camera, too near, or outside."""
    g = torch.Generator().manual_seed(5)
    values = {
        "means": torch.randn(count, 3, generator=g) * 0.8,
        "quats": torch.randn(count, 4, generator=g) * 2,
        "scales": (torch.rand(count, 3, generator=g) * 3 - 4).exp(),
        "opacities": torch.full((count,), 0.95),
        "colours": torch.rand(count, 3, generator=g),
    }
    values["scales"][:4] = 0.0
    values["scales"][4:6] = 1.5
    values["means"][6:9, 2] = torch.tensor([-6.0, -5.3, -5.05])  # behind the camera at z = -5.2, and nearer than NEAR
    values["means"][9, 0] = 30.0
    values["opacities"][10:25] = torch.linspace(0.001, 0.5, 15)
    values["opacities"][25:28] = 0.9999
    return {name: value.to(dtype).requires_grad_() for name, value in values.items()}


def views(dtype: torch.dtype = torch.float32) -> Cameras:
    cameras = cameras_around(
        torch.tensor([0.0, 37.0]), torch.tensor([0.0, 20.0]), torch.tensor([5.2, 5.2]), torch.tensor([0.5, 0.4])
    )
    return Cameras(
        world_to_camera=cameras.world_to_camera.to(dtype), focals=cameras.focals.to(dtype), azimuths=cameras.azimuths
    )


def loss_of(colours: Tensor, coverage: Tensor, depths: Tensor) -> Tensor:
    """Some of every output, different for each pixel."""
    g = torch.Generator().manual_seed(1)
    return sum((part * torch.randn(part.shape, generator=g).to(part)).sum() for part in (colours, coverage, depths))  # type: ignore[return-value]


def both_ways(
    values: dict[str, Tensor], cameras: Cameras
) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
    """Pictures and gradients, fast and slow."""
    rendered = render(*values.values(), cameras, SIZE)
    fast = [rendered.colours, rendered.coverage, rendered.depths]
    slow_views = [slow_picture(*values.values(), cameras, view, SIZE) for view in range(len(cameras))]
    slow = [torch.stack(part) for part in zip(*slow_views, strict=True)]
    slow[1:] = [part[:, None] for part in slow[1:]]
    gradients = [torch.autograd.grad(loss_of(*parts), list(values.values())) for parts in (fast, slow)]
    return fast, slow, list(gradients[0]), list(gradients[1])


def test_pictures_and_gradients_are_those_of_a_slow_twin():
    fast, slow, fast_gradients, slow_gradients = both_ways(scene(), views())
    for one, other in zip(fast, slow, strict=True):
        assert (one - other).abs().max() <= 1e-5 * max(1, other.abs().max().item())
    for name, one, other in zip(NAMES, fast_gradients, slow_gradients, strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max(), name


def test_the_scene_holds_what_it_promises():
    """Opaque ones, lists of several tiles, clamped alphas, and some that are not drawn."""
    values = scene()
    projected = project(*list(values.values())[:4], views(), SIZE)
    wide, drawn = projected.reaches.amax(-1), (projected.reaches > 0).all(-1)
    assert (wide > 16).any() and ((wide < 3) & drawn).any()
    assert not drawn[0, 6:9].any() and not drawn[0, 10]  # behind, too near, and too faint
    assert (values["opacities"] > rasterise_module.ALPHA_MOST).any()


def test_long_lists_in_several_blocks_and_hidden_ones_are_the_same(monkeypatch):
    """One Gaussian a block, one tile at a time, and nothing left out behind opaque ones."""
    values, cameras = scene(), views()
    usual = render(*values.values(), cameras, SIZE)
    usual_gradients = torch.autograd.grad(loss_of(usual.colours, usual.coverage, usual.depths), list(values.values()))
    monkeypatch.setattr(rasterise_module, "BLOCK", 3)
    monkeypatch.setattr(rasterise_module, "ON_CPU", 1)
    monkeypatch.setattr(rasterise_module, "OPAQUE", -1.0)
    split = render(*values.values(), cameras, SIZE)
    gradients = torch.autograd.grad(loss_of(split.colours, split.coverage, split.depths), list(values.values()))
    assert (split.colours - usual.colours).abs().max() < 5e-6  # 1e-6 of a light, seven colours deep
    for name, one, other in zip(NAMES, gradients, usual_gradients, strict=True):
        assert (one - other).abs().max() <= 2e-5 * other.abs().max(), name


def test_the_order_of_computing_on_a_gpu_gives_the_same(monkeypatch):
    """There, products and sums along a list are made by one call each."""
    g = torch.Generator().manual_seed(2)
    alphas, shares = torch.rand(2, 9, 5, generator=g) * 0.9, torch.randn(2, 9, 5, generator=g)
    start = torch.rand(2, 5, generator=g)
    by_hand = rasterise_module._light(alphas, start), rasterise_module._behind(shares, start)

    class Elsewhere(torch.Tensor):
        device = torch.device("meta")

    there = [value.as_subclass(Elsewhere) for value in (alphas, shares, start)]
    by_call = rasterise_module._light(there[0], there[2]), rasterise_module._behind(there[1], there[2])
    for one, other in zip(by_hand, by_call, strict=True):
        for part, twin in zip(one, other, strict=True):
            assert (part - torch.Tensor(twin)).abs().max() < 1e-6


def test_gradients_of_the_projection_are_right():
    """In float64 against finite differences, within the picture and beyond its edge."""
    cameras = views(torch.float64)
    g = torch.Generator().manual_seed(3)
    means = torch.randn(4, 3, generator=g, dtype=torch.float64) * 0.5
    means[3, 0] = 6.0  # where the slope is kept
    quats = torch.randn(4, 4, generator=g, dtype=torch.float64)
    scales = torch.rand(4, 3, generator=g, dtype=torch.float64) + 0.1
    opacities = torch.full((4,), 0.5, dtype=torch.float64)

    def projected(*values: Tensor) -> tuple[Tensor, ...]:
        found = project(*values, opacities, cameras, 64)
        return found.centres, found.conics, found.depths

    assert torch.autograd.gradcheck(projected, [value.requires_grad_() for value in (means, quats, scales)])


def test_gradients_of_the_tiles_are_right():
    """In float64 against finite differences; away from the threshold, where the function jumps."""
    cameras, g = views(torch.float64), torch.Generator().manual_seed(4)
    means = torch.randn(3, 3, generator=g, dtype=torch.float64) * 0.2
    quats = torch.randn(3, 4, generator=g, dtype=torch.float64)
    scales = torch.full((3, 3), 3.0, dtype=torch.float64)  # wide enough that no pixel falls below 1/255
    opacities = torch.linspace(0.2, 0.9, 3, dtype=torch.float64)
    colours = torch.rand(3, 3, generator=g, dtype=torch.float64)

    def pictures(*values: Tensor) -> tuple[Tensor, ...]:
        found = render(*values, cameras, 5)
        return found.colours, found.coverage, found.depths

    inputs = [value.requires_grad_() for value in (means, quats, scales, opacities, colours)]
    assert torch.autograd.gradcheck(pictures, inputs)


def test_a_scene_without_anything_to_see_is_empty_and_has_no_gradient():
    values = scene()
    behind = values["means"].detach() - torch.tensor([0.0, 0.0, 40.0])
    means = behind.requires_grad_()
    rendered = render(means, *list(values.values())[1:], views(), 16)
    assert not rendered.coverage.any() and not rendered.seen.any()
    rendered.on(torch.ones(3)).sum().backward()
    assert not means.grad.any()


def test_a_picture_is_the_same_each_time_and_in_other_company():
    values = scene()
    first, again = (render(*values.values(), views(), SIZE).colours for _ in range(2))
    assert torch.equal(first, again)
    alone = Cameras(**{name: value[1:] for name, value in vars(views()).items()})
    assert (render(*values.values(), alone, SIZE).colours[0] - first[1]).abs().max() < 1e-6


def test_a_check_can_stop_the_work_forwards_and_backwards():
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise KeyboardInterrupt

    allowed = 10**6
    rendered = render(*scene().values(), views(), SIZE, check=check)
    assert calls
    allowed = calls
    with pytest.raises(KeyboardInterrupt):
        rendered.colours.sum().backward()
    allowed = 0
    with pytest.raises(KeyboardInterrupt):
        render(*scene().values(), views(), SIZE, check=check)


def test_wrong_shapes_and_a_missing_gsplat_are_told():
    values = scene()
    with pytest.raises(ShapeError, match="scales has shape"):
        render(*[value[:, :2] if name == "scales" else value for name, value in values.items()], views(), SIZE)
    with pytest.raises(MissingPackageError, match="does not compute on cpu"):
        render(*values.values(), views(), SIZE, rasteriser="gsplat")
    assert not gsplat_module.is_used("auto", torch.device("cpu"))


def test_gsplat_gets_the_same_cameras_and_gives_the_same_fields(monkeypatch):
    """A stand-in with gsplat's arguments and layouts renders by the slow twin, from the matrices that it is given."""

    class StandIn:
        @staticmethod
        def rasterization(means, quats, scales, opacities, colors, viewmats, Ks, width, height, **others):
            assert others == {"near_plane": 0.2, "eps2d": 0.3, "packed": False, "render_mode": "RGB+D"}
            assert width == height and torch.equal(viewmats[:, 3], torch.tensor([[0.0, 0, 0, 1]] * len(viewmats)))
            given = Cameras(world_to_camera=viewmats[:, :3], focals=Ks[:, 0, 0] / width, azimuths=torch.zeros(2))
            assert (Ks[:, :2, 2] == width / 2).all() and (Ks[:, 1, 1] == Ks[:, 0, 0]).all()
            found = [slow_picture(means, quats, scales, opacities, colors, given, view, width) for view in (0, 1)]
            colour, coverage, depth = (torch.stack(part) for part in zip(*found, strict=True))
            blended = torch.cat([colour.movedim(1, -1), depth[..., None]], dim=-1)
            radii = torch.ones(2, len(means), 2, dtype=torch.int32)
            return blended, coverage[..., None], {"radii": radii, "means2d": torch.zeros(2, len(means), 2)}

    monkeypatch.setattr(gsplat_module, "optional_import", lambda *_args, **_words: StandIn)
    values = [value.detach() for value in scene(40).values()]
    ours = render(*values, views(), 24)
    fields = gsplat_module.render(*values, views(), 24)
    for name in ("colours", "coverage", "depths"):
        assert fields[name].shape == getattr(ours, name).shape
        assert (fields[name] - getattr(ours, name)).abs().max() < 1e-5
    assert fields["seen"].all() and fields["reaches"].shape == (2, 40)


def test_reach_along_an_axis_is_where_a_gaussian_fades_out():
    """For a round one: opacity exp(-r^2 / 2 variance) = 1/255."""
    one = torch.ones(1)
    cameras = cameras_around(0 * one, 0 * one, 5.0 * one, 0.5 * one)
    found = project(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.2), 0.7 * one, cameras, 100)
    variance = (0.2 * 100 * cameras.focals.item() / 5) ** 2 + 0.3
    assert found.reaches[0, 0].tolist() == pytest.approx([math.sqrt(2 * variance * math.log(255 * 0.7))] * 2, rel=1e-5)
