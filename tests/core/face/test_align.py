"""FFHQ's geometry against a twin in complex numbers, and pictures and masks there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as TF
from PIL import Image
from skimage import data
from skimage.registration import phase_cross_correlation
from torchvision.transforms import InterpolationMode

from helpers.faces import NAMES, real_portrait
from helpers.make import disc, rand
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Alignment, align_face

# Placed by hand on the enlarged pictures: middles of the irises, tip of the nose, corners of the mouth.
LANDMARKS = {
    "00059.png": [(194.5, 237.5), (319, 238), (258, 315), (201, 383), (310.5, 383)],
    "00790.png": [(193.5, 238), (321.5, 239), (250, 322), (202, 381), (306, 382)],
    "astronaut": [(203, 101), (246.5, 103.5), (224, 127), (203, 140), (245, 141)],
}


def load(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Photo [3, H, W] and landmarks [5, 2]."""
    pixels = data.astronaut() if name == "astronaut" else np.asarray(Image.open(real_portrait(name)).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255, torch.tensor(LANDMARKS[name])


def ffhq_twin(landmarks, size: int):
    """FFHQ's square in complex numbers: point of the photo -> point of the portrait."""
    left, right, _, mouth_left, mouth_right = (complex(*point) for point in np.asarray(landmarks, dtype=float))
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    direction = (right - left) + (mouth - eyes) / 1j  # dividing by i turns down into right
    half = max(2 * abs(right - left), 1.8 * abs(mouth - eyes))
    axis = direction / abs(direction) * half
    middle = eyes + 0.1 * (mouth - eyes)

    def place(point) -> tuple[float, float]:
        moved = (complex(*point) - middle) / axis  # -1 - 1i to 1 + 1i
        return (moved.real + 1) * size / 2, (moved.imag + 1) * size / 2

    return place


@pytest.mark.parametrize("size", [64, 512, 1024])
@pytest.mark.parametrize("name", LANDMARKS)
def test_points_land_where_ffhq_puts_them(name, size):
    photo, landmarks = load(name)
    alignment = align_face(landmarks, photo.shape[1:], size, already_aligned=0)
    expected = torch.tensor([ffhq_twin(landmarks, size)(point) for point in landmarks.tolist()])
    assert (alignment.map_points(landmarks) - expected).abs().max() < 1e-3  # pixels of up to a few thousand, in float32
    assert (alignment.unmap_points(expected) - landmarks).abs().max() < 1e-3


@pytest.mark.parametrize("name", LANDMARKS)
def test_eyes_of_the_picture_itself_land_there(name):
    photo, landmarks = load(name)
    for eye in landmarks[:2]:
        marked = photo * 0.2
        x, y = eye.round().int().tolist()
        marked[:, y - 2 : y + 2, x - 2 : x + 2] = 1  # its middle is at (x, y)
        portrait = align_face(landmarks, photo.shape[1:], 512, already_aligned=0).warp(marked)
        bright = (portrait.mean(0) > 0.6).nonzero().double() + 0.5
        found = bright.mean(0).flip(0)
        expected = torch.tensor(ffhq_twin(landmarks, 512)((x, y)))
        assert (found - expected).abs().max() < 0.5  # of 2 that are allowed; a wrong half pixel would show


@pytest.mark.parametrize("name", NAMES)
def test_portraits_of_ffhq_are_known_as_such_and_returned_themselves(name):
    photo, landmarks = load(name)
    alignment = align_face(landmarks, (512, 512))
    assert alignment.warp(photo) is photo
    assert torch.equal(alignment.map_points(landmarks), landmarks)
    mask = disc(512)
    # Float32 weights that add up to one.
    assert alignment.warp_mask(mask) is mask
    # How far points placed by hand are from those of the dataset: half of what is tolerated.
    strict = align_face(landmarks, (512, 512), already_aligned=0)
    assert 1 < (strict.corners - alignment.corners).norm(dim=1).max() < 0.03 * 512


@pytest.mark.parametrize("name", NAMES)
def test_eyes_of_ffhq_portraits_are_near_the_usual_template(name):
    photo, landmarks = load(name)
    eyes = align_face(landmarks, photo.shape[1:]).map_points(landmarks)[:2]
    # The eyes of facexlib's five-point template, means over FFHQ; people differ by about this much.
    assert (eyes - torch.tensor([[192.98, 239.95], [318.90, 240.19]])).abs().max() < 3


@pytest.mark.parametrize("side", [1024, 700, 256])
def test_an_aligned_portrait_of_another_size_is_only_resized(side):
    photo, landmarks = load("astronaut")
    strict = align_face(landmarks, photo.shape[1:], side)
    portrait, points = strict.warp(photo), strict.map_points(landmarks)
    alignment = align_face(points, (side, side), 512)
    assert torch.allclose(alignment.matrix, torch.tensor([[512 / side, 0, 0], [0, 512 / side, 0]]).double())
    resized = TF.resize(portrait, [512, 512], interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
    # Enlarging, both interpolate with the same kernel up to its constant (-0.5 and -0.75 in torch).
    assert (alignment.warp(portrait) - resized).abs().mean() < 0.004


def test_a_face_elsewhere_in_a_square_photo_is_cut_out():
    photo, landmarks = load("astronaut")
    assert align_face(landmarks, photo.shape[1:]).enlargement > 2
    moved = torch.tensor(LANDMARKS["00059.png"]) + torch.tensor([20.0, 0.0])
    assert not torch.equal(align_face(moved, (512, 512)).matrix, torch.eye(3, dtype=torch.float64)[:2])


def pasted(photo: torch.Tensor, degrees: float, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Turned, shrunk and pasted on a canvas, by Pillow; and the matrix [2, 3] of the points."""
    image = Image.fromarray((photo * 255).round().byte().permute(1, 2, 0).numpy())
    small = image.resize((round(image.width * scale),) * 2, Image.Resampling.LANCZOS)
    ratio = small.width / image.width
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([700.3, 411.8]) - turn @ (np.array(small.size) / 2)
    back = np.concatenate([turn.T, (-turn.T @ shift)[:, None]], axis=1)
    canvas = small.transform((1600, 1200), Image.Transform.AFFINE, back.flatten(), Image.Resampling.BICUBIC)
    tensor = torch.from_numpy(np.asarray(canvas).copy()).permute(2, 0, 1).float() / 255
    return tensor, torch.from_numpy(np.concatenate([turn * ratio, shift[:, None]], axis=1))


@pytest.mark.parametrize("degrees", [30, -150])
@pytest.mark.parametrize("name", LANDMARKS)
def test_a_turned_shrunk_pasted_photo_gives_the_same_portrait(name, degrees):
    photo, landmarks = load(name)
    canvas, move = pasted(photo, degrees, 0.4)
    there = landmarks.double() @ move[:, :2].T + move[:, 2]
    size = 256
    straight = align_face(landmarks, photo.shape[1:], size, already_aligned=0)
    turned = align_face(there, canvas.shape[1:], size)
    assert (turned.map_points(there) - straight.map_points(landmarks.double())).abs().max() < 0.01

    inner = slice(size // 8, -size // 8)  # the portraits of FFHQ end a little before the square does
    first, second = straight.warp(photo)[:, inner, inner], turned.warp(canvas)[:, inner, inner]
    shift, _, _ = phase_cross_correlation(first.mean(0).numpy(), second.mean(0).numpy(), upsample_factor=20)
    assert np.abs(shift).max() < 0.5  # of 2 pixels that are allowed
    # At 0.4 of its size the detail is gone; 26 dB is what is left of that, a shift by 2 pixels gives 21 to 24.
    assert psnr(first, second) > 26


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    return -10 * (first - second).square().mean().log10().item()


def waves(x: torch.Tensor, y: torch.Tensor, period: float) -> torch.Tensor:
    """A picture that can be computed at any point."""
    return torch.stack([0.5 + 0.4 * torch.sin(x / period), 0.5 + 0.4 * torch.cos(y / period), (x + y) / 8000])


def middles(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return x, y


def similarity(scale: float, degrees: float, middle: tuple[float, float], size: int) -> Alignment:
    """Portrait pixels per photo pixel, turn, and what comes to the portrait's middle."""
    cos, sin = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    linear = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    shift = size / 2 - linear @ torch.tensor(middle, dtype=torch.float64)
    return Alignment(matrix=torch.cat([linear, shift[:, None]], 1), size=size)


@pytest.mark.parametrize("degrees", [0, 17, 90, -140])
@pytest.mark.parametrize("scale", [3.3, 1.0, 1 / 2.3, 1 / 4.1, 1 / 9.7])
def test_every_pixel_of_the_portrait_shows_its_place_in_the_photo(scale, degrees):
    size = 64
    photo = waves(*middles(901, 1203), period=60 / scale / 2)
    alignment = similarity(scale, degrees, (611.7, 449.2), size)
    at = alignment.unmap_points(torch.stack(middles(size, size), -1).view(-1, 2))
    expected = waves(*at.T.float().reshape(2, size, size), period=60 / scale / 2)
    # The waves rise by at most 0.4 / 30 a pixel of the portrait, so this is a tenth of one; a fifth when it
    # is enlarged, where torch's bicubic kernel (-0.75) is 0.0021 off between the photo's pixels.
    assert (alignment.warp(photo) - expected).abs().max() < (0.0027 if scale > 1 else 0.0013)


def test_a_mask_of_the_whole_photo_covers_the_portrait():
    alignment = similarity(0.25, 30, (500, 400), 64)
    assert alignment.warp_mask(torch.ones(800, 1000)).min() == pytest.approx(1, abs=1e-4)


def test_beyond_the_photo_a_mask_is_empty_and_a_picture_is_not():
    alignment = similarity(0.5, 0, (20, 200), 128)  # 108 of its 256 pixels are left of the photo
    mask = alignment.warp_mask(torch.ones(400, 400))
    assert not mask[:, :50].any() and (mask[:, 58:] > 0.999).all()
    grey = torch.full((3, 400, 400), 0.7)
    assert (alignment.warp(grey) - 0.7).abs().max() < 1e-3


@pytest.mark.parametrize("degrees", [0, 40])
@pytest.mark.parametrize("middle", [(30, 200), (390, 10), (5, 395), (200, 200)])
def test_padded_borders_have_no_black_and_no_edge(middle, degrees):
    photo = 0.4 + 0.5 * TF.resize(rand(3, 8, 8), [400, 400], antialias=True)
    alignment = similarity(0.5, degrees, middle, 256)  # wider than the photo, too
    portrait = alignment.warp(photo)
    assert portrait.min() > 0.4
    steps = max(portrait.diff(dim=axis).abs().max() for axis in (1, 2))
    assert steps < 1.5 * 2 * max(photo.diff(dim=axis).abs().max() for axis in (1, 2))


def test_only_the_rim_of_a_cut_photo_differs_from_the_whole_one():
    photo, landmarks = load("astronaut")
    whole = align_face(landmarks, photo.shape[1:], 256)
    cut_off = 160  # the square begins at 137
    cut_photo, cut_points = photo[:, :, cut_off:], landmarks - torch.tensor([cut_off, 0.0])
    portrait = align_face(cut_points, cut_photo.shape[1:], 256).warp(cut_photo)
    border = whole.map_points(torch.tensor([[float(cut_off), 100.0]]))[0, 0].item()
    untouched = int(border + 0.1 * 256) + 8  # FFHQ's blur begins at 0.3 / 3; 8 for the tilt of the head
    full = whole.warp(photo)
    # Float32 resampling of another part of the photo.
    assert (portrait[:, :, untouched:] - full[:, :, untouched:]).abs().max() < 2e-3
    assert (portrait[:, :, : int(border)] - full[:, :, : int(border)]).abs().mean() > 0.05
    # Mirrored: just outside the border it shows what is just inside, blurred.
    assert portrait[:, 100:150, : int(border)].std() < full[:, 100:150, : int(border)].std()


GOOD = torch.tensor(LANDMARKS["00059.png"])


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (GOOD * 0 + 7, r"they coincide \(eyes 0.00 pixels apart"),
        (GOOD * float("nan"), "not finite"),
        (GOOD.index_fill(0, torch.tensor(3), float("inf")), "not finite"),
        (GOOD[[1, 0, 2, 3, 4]], "wrong order"),
        (GOOD[[0, 1, 2, 0, 1]], "the mouth is between the eyes"),
        (GOOD[:4], r"shape \[4, 2\], needed \[5, 2\]"),
    ],
)
def test_points_of_no_face_are_sentences(points, said):
    with pytest.raises(StableIdentityError, match=said):
        align_face(points, (512, 512))


def test_a_profile_and_a_face_upside_down_are_aligned():
    profile = torch.tensor([[100.0, 100], [104, 100], [90, 130], [98, 160], [101, 160]])
    assert align_face(profile, (400, 400)).map_points(profile)[3:, 1].min() > 256
    upside_down = 512 - GOOD
    points = align_face(upside_down, (512, 512)).map_points(upside_down)
    assert points[0, 0] < points[1, 0] and points[:2, 1].max() < points[3:, 1].min()


def test_other_bad_input_is_a_sentence():
    with pytest.raises(StableIdentityError, match="size is 63 pixels, needed at least 64"):
        align_face(GOOD, (512, 512), 63)
    alignment = align_face(GOOD + 2000, (3000, 3000))
    said = r"outside the 512x512 pixels.*landmarks that were detected in this image"
    with pytest.raises(StableIdentityError, match=said):
        alignment.warp(torch.zeros(3, 512, 512))
