"""The ArcFace encoder: where it looks, what it hands to facexlib's network, and which files it takes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from helpers.faces import real_portrait
from helpers.make import rand, rng, some_face
from stableidentity_core.encode import ArcFace, encode_face, load_face_encoder
from stableidentity_core.encode.crop import ARCFACE_BOX, ARCFACE_POINTS, FFHQ_POINTS, crop_face, template_box
from stableidentity_core.errors import MissingPackageError, ShapeError, StableIdentityError

# Measured 6e-6 of values around 1: the same float32 sums of two resizes, and convolutions that may differ by kernel.
SAME_FEATURE = 1e-3


def backbone() -> nn.Module:
    """facexlib's network with random weights and statistics; running ones that differ from 0 and 1 must be read."""
    from facexlib.recognition.arcface_arch import Backbone

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=rng(1)))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=rng(2)))
    return network.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return backbone()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory) -> Path:
    """As facexlib publishes it: a state dict by torch.save."""
    path = tmp_path_factory.mktemp("arcface") / "recognition_arcface_ir_se50.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def encoder(file) -> ArcFace:
    found = load_face_encoder(file)
    assert isinstance(found, ArcFace)
    return found


@pytest.fixture(scope="module")
def portrait(astronaut) -> torch.Tensor:  # [3, 512, 512]
    pixels = Image.fromarray((astronaut.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return torch.from_numpy(np.asarray(pixels.resize((512, 512))).copy()).permute(2, 0, 1).float() / 255


def twin_pixels(portrait: torch.Tensor) -> torch.Tensor:  # [1, 3, 112, 112]
    """By PIL in floats: crop at whole pixels, shrink, blue first, -1..1."""
    channels = []
    for channel in portrait.numpy()[::-1]:
        face = Image.fromarray(channel, mode="F").crop((64, 60, 447, 443))
        channels.append(np.asarray(face.resize((112, 112), Image.Resampling.BILINEAR)) * 2 - 1)
    return torch.from_numpy(np.stack(channels))[None]


def in_crop(points, side: int = 512) -> np.ndarray:  # [n, 2]
    """Points of a portrait -> of the picture of 112 pixels, middles of pixels at whole numbers in both."""
    left, top, right, bottom = (round(edge * side) for edge in ARCFACE_BOX)
    size = np.array([right - left, bottom - top])
    return (np.asarray(points) + 0.5 - [left, top]) * 112 / size - 0.5


def test_the_crop_is_the_least_squares_one_of_an_independent_solver():
    """Scale and shift as three unknowns of ten equations, by numpy."""
    rows = [[x, 1, 0] for x, _ in FFHQ_POINTS] + [[y, 0, 1] for _, y in FFHQ_POINTS]
    goal = [x for x, _ in ARCFACE_POINTS] + [y for _, y in ARCFACE_POINTS]
    (scale, shift_x, shift_y), *_ = np.linalg.lstsq(np.array(rows), np.array(goal), rcond=None)
    # What warpAffine puts at -0.5 and 111.5 are the edges of the picture.
    edges = [(edge - shift) / scale + 0.5 for edge in (-0.5, 111.5) for shift in (shift_x, shift_y)]
    assert np.allclose(np.array(ARCFACE_BOX) * 512, edges, atol=1e-9)


def test_turning_the_crop_would_gain_nothing():
    """The best similarity (Umeyama) turns by less than a tenth of a pixel at the rim of the picture."""
    source, goal = (np.array(points) - np.mean(points, 0) for points in (FFHQ_POINTS, ARCFACE_POINTS))
    angle = np.arctan2((source[:, 0] * goal[:, 1] - source[:, 1] * goal[:, 0]).sum(), (source * goal).sum())
    assert abs(angle) * 56 < 0.1


def test_the_mean_ffhq_face_lies_on_the_template():
    """The templates are of other proportions: FFHQ's faces are wider. More than the nose's 2.1 pixels would be news."""
    away = np.abs(in_crop(FFHQ_POINTS) - np.array(ARCFACE_POINTS))
    assert away.max() < 2.5 and away[:2].max() < 1.2  # the eyes, which ArcFace heeds most


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("00059.png", [(195.5, 237), (320, 237.5), (257, 317), (203, 382), (311, 382)]),
        ("00790.png", [(192, 239.5), (321, 239), (250, 318), (206, 384), (308, 384)]),
    ],
)
def test_eyes_and_mouth_of_real_portraits_lie_on_the_template(name, points):
    """Points placed by hand, to about 2 of 512 pixels; of the faces' own proportions the noses show most."""
    assert Image.open(real_portrait(name)).size == (512, 512)
    away = np.hypot(*(in_crop(points) - np.array(ARCFACE_POINTS)).T)
    assert away[:2].max() < 1.5 and away[3:].max() < 2.5 and away[2] < 4.5


def test_a_template_of_a_scaled_and_shifted_square_is_found_exactly():
    points = ((10.0, 20.0), (30.0, 20.0), (20.0, 50.0))
    template = tuple((2 * (x + 0.5) - 6 - 0.5, 2 * (y + 0.5) - 10 - 0.5) for x, y in points)
    assert np.allclose(template_box(points, template, side=100, size=80), (0.03, 0.05, 0.43, 0.45))


def test_pixels_equal_those_of_pil_in_the_order_blue_green_red(encoder, portrait):
    ours, theirs = encoder.preprocess(portrait[None]), twin_pixels(portrait)
    assert ours.shape == (1, 3, 112, 112)
    # float32 sums of weights that add up to one; a wrong kernel, place or order of colours would be 0.01 and more.
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours.flip(1) - theirs).abs().max() > 0.1  # the astronaut is not grey
    assert ours.min() >= -1 and ours.max() <= 1 and ours.min() < -0.9


@pytest.mark.parametrize("mirrored", [False, True])
def test_features_are_the_networks_own_made_as_long_as_a_layer_norms(encoder, network, portrait, mirrored):
    pixels = twin_pixels(portrait)
    with torch.no_grad():
        expected = network(pixels.flip(-1) if mirrored else pixels)
    ours = encoder(portrait[None], mirrored=mirrored)
    assert ours.shape == (1, 512) == (1, encoder.width) and ours.dtype == torch.float32
    assert (ours - expected * 512**0.5).abs().max() < SAME_FEATURE
    assert ours.square().mean().sqrt().item() == pytest.approx(1, abs=1e-5)  # a float32 norm


def test_the_mirror_image_has_a_feature_of_its_own(encoder, portrait):
    """Mirrored after the crop, which is not in the middle: not the feature of the mirrored portrait."""
    plain, mirrored = encoder(portrait[None]), encoder(portrait[None], mirrored=True)
    flipped_first = encoder(portrait.flip(-1)[None])
    assert (plain - mirrored).abs().max() > 100 * SAME_FEATURE
    assert (flipped_first - mirrored).abs().max() > 10 * SAME_FEATURE


def test_faces_of_a_batch_do_not_see_each_other(encoder):
    """Batch norm counts by its stored statistics: the network is in evaluation."""
    batch = rand(2, 3, 128, 128)
    apart = torch.cat([encoder(picture[None]) for picture in batch])
    assert (encoder(batch) - apart).abs().max() < SAME_FEATURE


def test_it_computes_where_its_network_is(file, portrait):
    """On `meta` there are no values, so that the way back to the portrait's device ends in an error."""
    encoder, seen = load_face_encoder(file), []
    assert isinstance(encoder, ArcFace)
    encoder.model.to("meta").register_forward_hook(lambda _model, given, _output: seen.append(given[0].device.type))
    with pytest.raises(NotImplementedError, match="meta tensor"):
        encoder(portrait[None])
    assert seen == ["meta"]


def test_it_works_in_inference_mode_and_after_it(encoder, portrait):
    expected = encoder(portrait[None])
    with torch.inference_mode():
        assert torch.equal(encoder(portrait[None]), expected)
    face = encode_face(encoder, some_face(128))
    assert face.feature.encoder == encoder.name and face.feature.plain.shape == (512,)


def test_the_same_weights_have_one_name_in_every_form_and_its_licence_is_told(encoder, network, tmp_path):
    path = tmp_path / "any-name.safetensors"
    save_file({key: value for key, value in network.state_dict().items()}, path)
    other = load_face_encoder(path, "ArcFace")
    assert other.name == encoder.name and encoder.name.startswith("arcface:")
    assert "not stated" in encoder.licence and "MS1M" in encoder.licence


def test_pictures_that_are_no_portraits_are_refused(encoder):
    for shape in ((3, 64, 64), (1, 1, 64, 64), (1, 3, 64, 48)):
        with pytest.raises(ShapeError, match="portraits"):
            encoder(torch.zeros(shape))
    assert crop_face(torch.zeros(2, 3, 512, 512, dtype=torch.float64), ARCFACE_BOX).shape == (2, 3, 383, 383)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("body.7.res_layer.3.weight"), r"1 missing keys \(e\.g\. body\.7\.res_layer\.3"),
        (lambda state: state.update({"body.24.new": torch.zeros(1)}), r"1 unexpected keys \(e\.g\. body\.24\.new"),
        (
            lambda state: state.update({"output_layer.3.weight": torch.zeros(256, 25088)}),
            r"1 mismatched keys \(e\.g\. output_layer\.3\.weight",
        ),
    ],
    ids=["hole", "too much", "another width"],
)
def test_weights_that_are_not_those_of_ir_se50_are_named(network, tmp_path, change, said):
    state = dict(network.state_dict())
    change(state)
    path = tmp_path / "arcface.pth"
    torch.save(state, path)
    with pytest.raises(StableIdentityError, match=rf"arcface\.pth is not a complete ArcFace ir_se50: .*{said}"):
        load_face_encoder(path)


def test_a_file_cut_short_is_told_with_its_path(file, tmp_path):
    path = tmp_path / "arcface.pth"
    path.write_bytes(file.read_bytes()[:1_000_000])
    with pytest.raises(StableIdentityError, match=r"arcface\.pth.*not a complete torch file"):
        load_face_encoder(path)


def test_without_facexlib_the_line_to_type_is_told(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "facexlib.recognition.arcface_arch", None)
    with pytest.raises(MissingPackageError, match="pip install facexlib"):
        load_face_encoder(file)
