"""Splats in the host's own type and nodes: the same values, the same way round."""

from __future__ import annotations

import io
import math
import sys
import types

import pytest
import torch

from helpers.pack import pack_module
from stableidentity_core.head3d.cameras import cameras_around
from stableidentity_core.head3d.render import picture_of
from stableidentity_core.head3d.splat import Splat
from stableidentity_core.head3d.splat_files import to_ply, to_splat

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def splats(comfyui):
    return pack_module("nodes.host.splats", comfyui)


@pytest.fixture(scope="module")
def host(splats):
    if splats.HostSplat is None:
        pytest.skip("THIS COMFYUI HAS NO SPLATS of its own: the nodes use files there")
    from comfy_api.latest import Types

    server = types.ModuleType("server")  # the host's own would import the pack's `nodes` for the host's
    server.PromptServer = object
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "server", server)
        from comfy_extras import nodes_gaussian_splat

    return Types, nodes_gaussian_splat


@pytest.fixture(scope="module")
def splat() -> Splat:
    """A grey ball with a red nose in front, a green ear at +x and a blue hat."""
    g = torch.Generator().manual_seed(0)
    ball = torch.nn.functional.normalize(torch.randn(900, 3, generator=g), dim=-1) * 0.6
    colours = torch.full((900, 3), 0.5)
    for direction, colour in (((0, 0, -1), (1, 0, 0)), ((1, 0, 0), (0, 1, 0)), ((0, -1, 0), (0, 0, 1))):
        near = ball @ torch.tensor(direction, dtype=torch.float32) > 0.45
        colours[near] = torch.tensor(colour, dtype=torch.float32)
    return Splat(
        positions=ball,
        scales=torch.full((900, 3), 0.05) * torch.tensor([1.0, 1.4, 0.7]),
        rotations=torch.nn.functional.normalize(torch.randn(900, 4, generator=g), dim=-1),
        opacities=0.3 + 0.65 * torch.rand(900, generator=g),
        colours=colours,
    )


def test_the_hosts_type_and_back_is_the_same(splats, host, splat):
    sent = splats.to_host(splat)
    assert splats.is_splat(sent) and not splats.is_splat(object())
    assert sent.sh.shape == (1, 900, 1, 3) and sent.opacities.shape == (1, 900, 1)
    back = splats.from_host(sent)
    for name, value in vars(splat).items():
        assert (getattr(back, name) - value).abs().max() < 1e-6, name


def test_of_a_padded_batch_the_first_is_taken_without_its_padding(splats, host, splat, caplog):
    sent = splats.to_host(splat)
    twice = [torch.cat([part, part]) for part in (sent.positions, sent.scales, sent.rotations, sent.opacities, sent.sh)]
    with caplog.at_level("WARNING"):
        back = splats.from_host(splats.HostSplat(*twice, counts=torch.tensor([500, 900])))
    assert len(back) == 500 and torch.equal(back.positions, splat.positions[:500])
    assert "only the first is used" in caplog.text


@pytest.mark.parametrize(("write", "ending", "tolerance"), [(to_ply, "ply", 2e-6), (to_splat, "splat", 0.01)])
def test_the_hosts_own_reader_gives_the_same_values(host, splat, write, ending, tolerance):
    host_types, nodes = host
    (read,) = nodes.File3DToSplat.execute(host_types.File3D(io.BytesIO(write(splat)), file_format=ending)).args
    order = torch.arange(900)
    if ending == "splat":
        order = (splat.opacities * splat.scales.prod(-1)).argsort(descending=True, stable=True)
    colours = read.sh[0, :, 0] * 0.28209479177387814 + 0.5
    pairs = [
        *((read.positions[0], splat.positions), (read.scales[0], splat.scales), (read.rotations[0], splat.rotations)),
        *((read.opacities[0, :, 0], splat.opacities), (colours, splat.colours)),
    ]
    for found, own in pairs:
        assert (found - own[order]).abs().max() < tolerance


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (40, 0), (-70, 25), (180, -30)])
def test_the_hosts_renderer_shows_it_from_the_same_side(host, splat, azimuth, elevation):
    """Its pictures are sharper and blended in linear light, so that only the places of colours are compared."""
    _types, nodes = host
    size, fov, distance = 64, 0.5, 4.0
    one = torch.ones(1)
    ours = picture_of(splat, cameras_around(azimuth * one, elevation * one, distance * one, fov * one), size)
    camera = nodes._orbit_camera_info(
        azimuth, elevation, distance, math.degrees(fov), torch.zeros(3), torch.device("cpu")
    )
    values = splat.positions, splat.colours, splat.opacities, splat.scales, splat.rotations
    theirs, mask = nodes._render_gaussian(*values, size, size, 1.0, (0.0, 0.0, 0.0), camera)
    theirs = theirs.movedim(-1, 0).float()
    assert (ours.coverage[0, 0] > 0.5).eq(mask > 0.5).float().mean() > 0.93

    def likeness(picture: torch.Tensor) -> float:
        return torch.corrcoef(torch.stack([ours.colours[0].flatten(), picture.flatten()]))[0, 1].item()

    others = [likeness(theirs.flip(axes)) for axes in ((1,), (2,), (1, 2))]
    assert likeness(theirs) > max(0.8, max(others) + 0.025), others
