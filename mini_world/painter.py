"""Draws a portrait of a person with a look, and its face and hair masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .core import NOT_FACE, FacePart
from .look import Look
from .paint.anatomy import Anatomy
from .paint.backdrop import draw_backdrop
from .paint.canvas import SUPERSAMPLING, Canvas
from .paint.face import draw_beard, draw_brows, draw_eyes, draw_head, draw_mouth, draw_neck, draw_nose
from .paint.hair import draw_hair, draw_hair_behind
from .paint.wear import draw_glasses, draw_hat, draw_shirt
from .person import Person

SIZE = 128

_IS_FACE = np.array([part not in NOT_FACE for part in FacePart])


@dataclass(frozen=True, kw_only=True, eq=False)
class Portrait:
    """A drawn picture with exact masks."""

    image: np.ndarray  # [S, S, 3] uint8
    face_mask: np.ndarray  # [S, S] float32, fraction of the pixel that is face
    hair_mask: np.ndarray  # [S, S] float32


def paint(person: Person, look: Look | None = None, size: int = SIZE) -> Portrait:
    """Draw a person; the same person and look give the same bytes."""
    look = look or Look()
    canvas = Canvas(size)
    face = Anatomy.of(person.geometry, look.gaze)
    hat = look.hat != "none"
    draw_backdrop(canvas, look.scene)
    draw_hair_behind(canvas, person, face)
    draw_neck(canvas, person, face)
    draw_shirt(canvas, look.shirt)
    draw_head(canvas, person, face)
    draw_nose(canvas, person, face)
    draw_beard(canvas, person, face)
    draw_mouth(canvas, person, face, look.expression)
    draw_eyes(canvas, person, face, look.expression)
    draw_brows(canvas, person, face, look.expression)
    draw_hair(canvas, person, face, hat)
    if look.glasses != "none":
        draw_glasses(canvas, look.glasses, face)
    if hat:
        draw_hat(canvas, look.hat, face)
    image, parts = canvas.finish()
    return Portrait(
        image=_styled(image, look.style),
        face_mask=_share(_IS_FACE[parts]),
        hair_mask=_share(parts == FacePart.HAIR),
    )


def _share(inside: np.ndarray) -> np.ndarray:
    side = len(inside) // SUPERSAMPLING
    return inside.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING).mean((1, 3), dtype=np.float32)


def _styled(image: np.ndarray, style: str) -> np.ndarray:
    if style == "photo":
        return image
    grey = image @ np.array([0.299, 0.587, 0.114])
    if style == "sepia":
        tone = (grey / 255)[..., None] ** 0.9
        return (np.array([48, 30, 16]) + tone * np.array([196, 182, 152])).round().astype(np.uint8)
    soft = np.asarray(
        Image.fromarray(grey.astype(np.uint8)).filter(ImageFilter.GaussianBlur(len(image) / 64)), dtype=float
    )
    lines = np.clip((soft - grey) * 2.6, 0, 255)
    paper = 250 - 0.38 * (255 - grey) - lines
    return np.repeat(np.clip(paper, 0, 255).round().astype(np.uint8)[..., None], 3, axis=-1)
