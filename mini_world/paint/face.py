"""Skin, ears, eyes, brows, nose, mouth and beard."""

from __future__ import annotations

import numpy as np

from ..core import FacePart
from ..person import Person
from .anatomy import CENTRE, Anatomy
from .canvas import Canvas, Colour, darker, lighter, mix, smooth

SKIN = ((255, 224, 200), (240, 194, 158), (214, 158, 116), (164, 108, 72), (104, 66, 46))
HAIR = {
    "black": (38, 34, 40),
    "brown": (84, 54, 38),
    "chestnut": (138, 76, 40),
    "blond": (232, 194, 104),
    "ginger": (214, 96, 34),
    "grey": (146, 148, 156),
    "white": (236, 234, 230),
}
IRIS = {
    "brown": (96, 58, 32),
    "blue": (58, 124, 214),
    "green": (66, 150, 84),
    "grey": (128, 140, 152),
    "amber": (206, 142, 40),
}
TEETH, LIP = (252, 250, 246), (186, 66, 74)


def skin_colour(person: Person) -> Colour:
    position = person.colouring.skin * (len(SKIN) - 1)
    index = min(int(position), len(SKIN) - 2)
    return mix(SKIN[index], SKIN[index + 1], position - index)


def hair_colour(person: Person) -> Colour:
    return HAIR[person.colouring.hair_colour]


def draw_neck(canvas: Canvas, person: Person, face: Anatomy) -> None:
    skin = darker(skin_colour(person), 0.14)
    half = 0.095 + 0.02 * face.shape.face_width - (0.015 if person.colouring.woman else 0)
    outline = [(CENTRE - half, 0.7), (CENTRE + half, 0.7), (CENTRE + half + 0.01, 0.95), (CENTRE - half - 0.01, 0.95)]
    canvas.polygon(np.array(outline), skin, FacePart.NECK)


def draw_head(canvas: Canvas, person: Person, face: Anatomy) -> None:
    skin = skin_colour(person)
    radius = 0.042 + 0.014 * face.shape.ears
    for side, part in ((-1, FacePart.LEFT_EAR), (1, FacePart.RIGHT_EAR)):
        x = CENTRE + side * (face.width + 0.012) - 0.012 * face.turn
        y = face.eye_y + 0.03
        canvas.ellipse(x, y, radius * 0.75, radius, darker(skin, 0.08), part)
        canvas.ellipse(x - side * 0.006, y, radius * 0.4, radius * 0.6, darker(skin, 0.25), part)
    outline = face.outline()
    canvas.polygon(outline, skin, FacePart.SKIN)
    canvas.glow(CENTRE - 0.10, 0.40, 0.16, 0.16, lighter(skin, 0.55), 0.55, outline)
    canvas.glow(CENTRE + 0.24, 0.72, 0.13, 0.26, darker(skin, 0.45), 0.6, outline)
    for side in (-1, 1):
        x = face.middle + side * face.width * 0.62
        canvas.glow(x, face.nose_y + 0.03, 0.055, 0.04, mix(skin, (226, 84, 84), 0.55), 0.6, outline)
    if person.colouring.freckles:
        _draw_freckles(canvas, face, mix(darker(skin, 0.3), (170, 80, 40), 0.4))


def _draw_freckles(canvas: Canvas, face: Anatomy, colour: Colour) -> None:
    y = face.nose_y - 0.012
    for side in (-1, 1):
        for dx, dy in ((0.055, 0.0), (0.085, -0.018), (0.085, 0.02), (0.115, 0.002), (0.14, -0.02), (0.14, 0.024)):
            canvas.ellipse(face.middle + side * dx, y + dy, 0.0105, 0.0105, colour)


def draw_eyes(canvas: Canvas, person: Person, face: Anatomy, expression: str) -> None:
    wide = {"surprised": 1.22, "smiling": 0.88, "sad": 0.9}.get(expression, 1.0)
    rx, ry = face.eye_radius * 1.22, face.eye_radius * 0.86 * wide
    lid = darker(skin_colour(person), 0.72)
    for side, part in ((-1, FacePart.LEFT_EYE), (1, FacePart.RIGHT_EYE)):
        x = face.middle + side * face.eye_offset
        tilt = side * 0.020 * face.shape.eye_tilt
        almond = smooth(
            [(x - rx, face.eye_y + tilt), (x, face.eye_y - ry), (x + rx, face.eye_y - tilt), (x, face.eye_y + ry)]
        )
        canvas.polygon(almond, (252, 252, 250), part)
        pupil = x + 0.42 * rx * face.turn
        iris = min(face.eye_radius * 0.74, ry * 0.95)
        canvas.ellipse(pupil, face.eye_y, iris, iris, IRIS[person.colouring.eye_colour], part)
        canvas.ellipse(pupil, face.eye_y, iris * 0.5, iris * 0.5, (18, 14, 18), part)
        canvas.ellipse(pupil - iris * 0.34, face.eye_y - iris * 0.36, iris * 0.26, iris * 0.26, (255, 255, 255), part)
        upper = smooth([(x - rx, face.eye_y + tilt), (x, face.eye_y - ry), (x + rx, face.eye_y - tilt)], closed=False)
        canvas.line(upper, 0.015 if person.colouring.woman else 0.011, lid, part)
        if person.colouring.woman:
            corner = x + side * rx
            lash = np.array(
                [(corner, face.eye_y - side * tilt), (corner + side * 0.02, face.eye_y - side * tilt - 0.018)]
            )
            canvas.line(lash, 0.009, lid, part)


def draw_brows(canvas: Canvas, person: Person, face: Anatomy, expression: str) -> None:
    colour = mix(hair_colour(person), (40, 28, 26), 0.35)
    lift = {"surprised": 0.022, "sad": 0.004}.get(expression, 0.0)
    tilt = 0.018 * face.shape.brow_tilt + (0.024 if expression == "sad" else 0.0)
    thick = 0.021 + 0.009 * face.shape.brow_thickness - (0.003 if person.colouring.woman else 0)
    rx = face.eye_radius * 1.3
    for side, part in ((-1, FacePart.LEFT_BROW), (1, FacePart.RIGHT_BROW)):
        x, y = face.middle + side * face.eye_offset, face.brow_y - lift
        brow = [(x - side * rx, y + 0.010 - tilt), (x + side * 0.2 * rx, y - 0.012), (x + side * rx, y + 0.010 + tilt)]
        canvas.line(smooth(brow, closed=False), thick, colour, part)


def draw_nose(canvas: Canvas, person: Person, face: Anatomy) -> None:
    skin = skin_colour(person)
    half = 0.038 + 0.016 * face.shape.nose_width
    x, y = face.middle + 0.012 * face.turn, face.nose_y
    body = smooth(
        [(x - 0.012, face.eye_y + 0.01), (x + 0.012, face.eye_y + 0.01), (x + half, y), (x, y + 0.022), (x - half, y)]
    )
    canvas.polygon(body, darker(skin, 0.10), FacePart.NOSE)
    canvas.ellipse(x - 0.004, y - 0.012, half * 0.55, 0.018, lighter(skin, 0.25), FacePart.NOSE)
    under = smooth([(x - half, y + 0.004), (x, y + 0.024), (x + half, y + 0.004)], closed=False)
    canvas.line(under, 0.010, darker(skin, 0.42), FacePart.NOSE)


def draw_mouth(canvas: Canvas, person: Person, face: Anatomy, expression: str) -> None:
    half = 0.086 + 0.026 * face.shape.mouth_width
    full = 0.024 + 0.010 * face.shape.lips + (0.003 if person.colouring.woman else 0)
    lip = mix(skin_colour(person), LIP, 0.75 if person.colouring.woman else 0.45)
    x, y = face.middle, face.mouth_y
    if expression == "smiling":
        mouth = smooth([(x - half * 1.15, y - 0.018), (x, y + 0.002), (x + half * 1.15, y - 0.018), (x, y + 0.058)])
        canvas.polygon(mouth, darker(lip, 0.55), FacePart.MOUTH)
        teeth = smooth([(x - half * 0.95, y - 0.010), (x, y + 0.004), (x + half * 0.95, y - 0.010), (x, y + 0.032)])
        canvas.polygon(teeth, TEETH, FacePart.MOUTH)
        canvas.line(np.concatenate([mouth, mouth[:1]]), full * 0.55, lip, FacePart.LOWER_LIP)
    elif expression == "surprised":
        canvas.ellipse(x, y + 0.012, half * 0.52 + full * 0.5, 0.05, lip, FacePart.LOWER_LIP)
        canvas.ellipse(x, y + 0.012, half * 0.52 - full * 0.4, 0.036, (92, 26, 36), FacePart.MOUTH)
    else:
        bend = 0.030 if expression == "sad" else -0.004
        upper = [
            (x - half, y + bend),
            (x - half * 0.3, y - full),
            (x, y - full * 0.7),
            (x + half * 0.3, y - full),
            (x + half, y + bend),
        ]
        canvas.polygon(smooth([*upper, (x, y + full * 1.3)]), lip, FacePart.LOWER_LIP)
        seam = smooth([(x - half, y + bend), (x, y), (x + half, y + bend)], closed=False)
        canvas.line(seam, 0.009, darker(lip, 0.6), FacePart.MOUTH)


def draw_beard(canvas: Canvas, person: Person, face: Anatomy) -> None:
    """Drawn before the mouth; beards count as skin, as in face parsers."""
    kind = person.colouring.beard
    colour = hair_colour(person)
    x, y, half = face.middle, face.mouth_y, 0.086 + 0.026 * face.shape.mouth_width
    if kind in ("full", "stubble"):
        hair = mix(skin_colour(person), colour, 0.35) if kind == "stubble" else colour
        low = face.outline(grow=0.004 if kind == "stubble" else 0.016, top=face.eye_y + 0.06)
        side = face.half_width(face.eye_y + 0.06)
        inner = [
            (x + side * 0.80, face.eye_y + 0.06),
            (x + half * 1.25, y - 0.03),
            (x, y - 0.044),
            (x - half * 1.25, y - 0.03),
            (x - side * 0.80, face.eye_y + 0.06),
        ]
        edge = len(low) // 2
        canvas.polygon(np.concatenate([low[:edge], low[edge:], smooth(inner[::-1], closed=False)]), hair, FacePart.SKIN)
    if kind in ("moustache", "goatee"):
        whiskers = [
            (x - half * 1.1, y - 0.002),
            (x - half * 0.4, y - 0.042),
            (x, y - 0.032),
            (x + half * 0.4, y - 0.042),
            (x + half * 1.1, y - 0.002),
            (x, y - 0.014),
        ]
        canvas.polygon(smooth(whiskers), colour, FacePart.SKIN)
    if kind == "goatee":
        chin = [
            (x - 0.05, y + 0.035),
            (x + 0.05, y + 0.035),
            (x + 0.055, face.chin - 0.02),
            (x, face.chin + 0.018),
            (x - 0.055, face.chin - 0.02),
        ]
        canvas.polygon(smooth(chin), colour, FacePart.SKIN)
