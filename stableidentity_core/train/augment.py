"""Views of one portrait: image and masks moved together, colours of the image jittered.

What the published code does beyond the paper's text: colour jitter, mirror, a random three quarter
crop blown up to full size, then shrunk and pasted somewhere on a black canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from ..errors import StableIdentityError
from ..face.portrait import Face

JITTER = 0.2  # brightness, contrast, saturation
JITTER_HUE = 0.01
CROP = 0.75
SCALE = (0.5, 1.0)
STRETCH = (0.9, 1.1)
MAX_DRAWS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One augmented picture, with its masks at latent size."""

    image: Tensor  # [3, R, R] in 0..1
    face_mask: Tensor  # [1, r, r], 0 or 1
    hair_mask: Tensor  # [1, r, r], 0 or 1
    mirrored: bool


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """A stack [5, R, R] of the RGB image, face mask and hair mask."""

    pixels: Tensor
    mirrored: bool


def augment(face: Face, resolution: int, latent_factor: int, generator: torch.Generator) -> View:
    """Draw one view of a face.

    A draw whose crop leaves no face in sight at latent size is drawn again; this does not happen
    with an aligned portrait, only with small or misplaced masks.

    Raises:
        StableIdentityError: no face in sight in 16 draws.
    """
    for _ in range(MAX_DRAWS):
        canvas = _draw(face, resolution, generator)
        face_mask, hair_mask = latent_masks(canvas.pixels[3:], latent_factor)
        if face_mask.any():
            return View(
                image=canvas.pixels[:3].clamp(0, 1),
                face_mask=face_mask,
                hair_mask=hair_mask,
                mirrored=canvas.mirrored,
            )
    share = face.face_mask.mean().item()
    raise StableIdentityError(
        f"The face mask covers {share:.2%} of the portrait and vanished in {MAX_DRAWS} augmented views at "
        f"{resolution // latent_factor}x{resolution // latent_factor} latent pixels. Mark the whole face."
    )


def plain_view(face: Face, resolution: int, latent_factor: int) -> View:
    """The photo as it is.

    Raises:
        StableIdentityError: the face mask vanishes at latent size.
    """
    stack = _stack(face, _resize(face.image, resolution), resolution)
    face_mask, hair_mask = latent_masks(stack[3:], latent_factor)
    if not face_mask.any():
        raise StableIdentityError(
            f"The face mask covers {face.face_mask.mean().item():.2%} of the portrait and vanishes at "
            f"{resolution // latent_factor}x{resolution // latent_factor} latent pixels. Mark the whole face."
        )
    return View(image=stack[:3].clamp(0, 1), face_mask=face_mask, hair_mask=hair_mask, mirrored=False)


def latent_masks(masks: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Face and hair mask [2, R, R] -> two [1, r, r] of 0 and 1, resized bicubically and cut at 0.5."""
    side = masks.shape[-1] // factor
    small = torch.nn.functional.interpolate(masks[None], (side, side), mode="bicubic", align_corners=True)[0]
    face_mask, hair_mask = (small >= 0.5).float().split(1)
    return face_mask, hair_mask


def _draw(face: Face, resolution: int, generator: torch.Generator) -> _Canvas:
    # Bicubic resizing overshoots, and the hue of a colour below zero is not a number.
    image = color_jitter(_resize(face.image, resolution).clamp(0, 1), generator)
    stack, mirrored = random_mirror(_stack(face, image, resolution), generator)
    stack = random_crop(stack, generator)
    return _Canvas(pixels=random_paste(stack, generator), mirrored=mirrored)


def _stack(face: Face, image: Tensor, resolution: int) -> Tensor:  # [5, R, R]
    return torch.cat([image, _resize(torch.stack([face.face_mask, face.hair_mask]), resolution)])


def color_jitter(image: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation by 0.8..1.2 and hue by 0.01 turns, in random order."""
    low, high = 1 - JITTER, 1 + JITTER
    adjustments = [
        (TF.adjust_brightness, _uniform(low, high, generator)),
        (TF.adjust_contrast, _uniform(low, high, generator)),
        (TF.adjust_saturation, _uniform(low, high, generator)),
        (TF.adjust_hue, _uniform(-JITTER_HUE, JITTER_HUE, generator)),
    ]
    for i in torch.randperm(len(adjustments), generator=generator).tolist():
        adjust, amount = adjustments[i]
        image = adjust(image, amount)
    return image


def random_mirror(stack: Tensor, generator: torch.Generator) -> tuple[Tensor, bool]:
    """The stack or, half of the times, its mirror image, and whether it is that."""
    mirrored = _uniform(0, 1, generator) < 0.5
    return (stack.flip(-1) if mirrored else stack), mirrored


def random_crop(stack: Tensor, generator: torch.Generator) -> Tensor:
    """A random square of three quarters of the side, blown up to full size."""
    side = stack.shape[-1]
    crop = side - int(side * (1 - CROP))
    top, left = (_integer(side - crop + 1, generator) for _ in range(2))
    return _bicubic(stack[:, top : top + crop, left : left + crop], side, side)


def random_paste(stack: Tensor, generator: torch.Generator) -> Tensor:
    """Shrink to 0.5..1 (width a further 0.9..1.1) and paste at a random place on black."""
    side = stack.shape[-1]
    height = min(int(side * _uniform(*SCALE, generator)), side)
    width = min(int(height * _uniform(*STRETCH, generator)), side)
    top, left = (_integer(side - length + 1, generator) for length in (height, width))
    canvas = torch.zeros_like(stack)
    canvas[:, top : top + height, left : left + width] = _bicubic(stack, height, width)
    return canvas


def _resize(image: Tensor, side: int) -> Tensor:
    if image.shape[-1] == side:
        return image
    return TF.resize(image, [side, side], interpolation=InterpolationMode.BICUBIC, antialias=True)


def _bicubic(stack: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.interpolate(stack[None], (height, width), mode="bicubic", align_corners=True)[0]


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _integer(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator).item())
