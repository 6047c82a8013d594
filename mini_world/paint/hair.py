"""Hair styles: the hair behind the head, and the hair on it."""

from __future__ import annotations

import itertools

import numpy as np

from ..core import FacePart
from ..person import Person
from .anatomy import CENTRE, Anatomy
from .canvas import Canvas, Colour, Points, darker, lighter, mix, smooth
from .face import hair_colour, skin_colour

HAIRLINE = 0.345


def draw_hair_behind(canvas: Canvas, person: Person, face: Anatomy) -> None:
    """The hair that is visible beside and below the face."""
    colour = darker(hair_colour(person), 0.22)
    w = face.width
    match person.colouring.hair:
        case "bob":
            edge = [(w + 0.045, 0.30), (w + 0.075, 0.52), (w + 0.065, 0.715), (w - 0.06, 0.735)]
            canvas.polygon(_curtain(edge), colour, FacePart.HAIR)
        case "long":
            edge = [(w + 0.045, 0.30), (w + 0.07, 0.55), (w + 0.085, 0.80), (w + 0.08, 0.96), (w - 0.08, 0.97)]
            canvas.polygon(_curtain(edge), colour, FacePart.HAIR)
        case "wavy":
            edge = [
                (w + 0.05, 0.30),
                (w + 0.105, 0.42),
                (w + 0.065, 0.53),
                (w + 0.125, 0.64),
                (w + 0.08, 0.75),
                (w + 0.125, 0.86),
                (w - 0.02, 0.93),
            ]
            canvas.polygon(_curtain(edge), colour, FacePart.HAIR)
        case "curly":
            for angle in np.linspace(-0.62 * np.pi, 0.62 * np.pi, 13):
                x, y = CENTRE + (w + 0.035) * np.sin(angle), 0.42 - 0.195 * np.cos(angle)
                canvas.ellipse(float(x), float(y), 0.085, 0.085, colour, FacePart.HAIR)
        case "pigtails":
            for side in (-1, 1):
                x = CENTRE + side * (w + 0.075)
                tail = [
                    (x - side * 0.05, 0.50),
                    (x + side * 0.045, 0.53),
                    (x + side * 0.06, 0.68),
                    (x + side * 0.01, 0.84),
                    (x - side * 0.045, 0.68),
                ]
                canvas.polygon(smooth(tail), colour, FacePart.HAIR)
        case "bun":
            canvas.ellipse(CENTRE, 0.165, 0.085, 0.078, colour, FacePart.HAIR)


def _curtain(edge: list[tuple[float, float]]) -> Points:
    """Hair that falls on both sides, closed over the crown."""
    right = [(CENTRE + x, y) for x, y in edge]
    left = [(CENTRE - x, y) for x, y in reversed(edge)]
    return smooth([(CENTRE, 0.185), *right, *left])


def draw_hair(canvas: Canvas, person: Person, face: Anatomy, hat: bool) -> None:
    """The hair on the skull; a hat flattens hair that stands up."""
    colour = hair_colour(person)
    style = person.colouring.hair
    if style == "bald":
        if not hat:
            canvas.glow(CENTRE - 0.06, 0.30, 0.07, 0.035, lighter(skin_colour(person), 0.8), 0.8, face.outline())
        return
    if style == "buzz":
        colour = mix(skin_colour(person), colour, 0.72)
    canvas.polygon(_cap(face, style), colour, FacePart.HAIR)
    if style in ("long", "wavy", "bob"):
        _locks(canvas, face, style, colour)
    if hat:
        return
    match style:
        case "spiky":
            _spikes(canvas, face, colour)
        case "quiff":
            w = face.width
            quiff = [
                (CENTRE - w * 0.9, 0.335),
                (CENTRE - w * 0.8, 0.20),
                (CENTRE - w * 0.1, 0.125),
                (CENTRE + w * 0.85, 0.175),
                (CENTRE + w * 0.95, 0.30),
                (CENTRE + w * 0.4, 0.325),
            ]
            canvas.polygon(smooth(quiff), colour, FacePart.HAIR)
            shine = smooth([(CENTRE - w * 0.5, 0.235), (CENTRE, 0.185), (CENTRE + w * 0.6, 0.215)], closed=False)
            canvas.line(shine, 0.014, lighter(colour, 0.35), FacePart.HAIR)
        case "curly":
            for angle in np.linspace(-0.40 * np.pi, 0.40 * np.pi, 7):
                x, y = CENTRE + face.width * 0.86 * np.sin(angle), 0.375 - 0.125 * np.cos(angle)
                canvas.ellipse(float(x), float(y), 0.062, 0.062, colour, FacePart.HAIR)
                canvas.ellipse(float(x) - 0.016, float(y) - 0.018, 0.022, 0.022, lighter(colour, 0.28), FacePart.HAIR)
        case "bun":
            canvas.ellipse(CENTRE - 0.025, 0.145, 0.030, 0.022, lighter(colour, 0.22), FacePart.HAIR)
    if style not in ("buzz", "curly", "quiff", "spiky"):
        arc = smooth([(CENTRE - 0.13, 0.305), (CENTRE - 0.085, 0.262), (CENTRE - 0.02, 0.242)], closed=False)
        canvas.line(arc, 0.016, lighter(colour, 0.32), FacePart.HAIR)


def _cap(face: Anatomy, style: str) -> Points:
    """Hair on the skull, down to the hairline."""
    grow = {"buzz": 0.008, "bun": 0.018}.get(style, 0.028)
    temple = {"bob": 0.50, "long": 0.50, "wavy": 0.50, "buzz": 0.42, "curly": 0.46}.get(style, 0.44)
    upper = face.outline(grow=grow, bottom=temple)
    half = len(upper) // 2
    right, left = upper[:half], upper[half:]
    inner = float(face.half_width(temple)) * 0.93
    m = CENTRE
    lines = {
        "bob": [(m + inner, 0.44), (m + inner * 0.86, 0.418), (m, 0.425), (m - inner * 0.86, 0.418), (m - inner, 0.44)],
        "long": [(m + inner, 0.46), (m + inner * 0.66, 0.35), (m, 0.285), (m - inner * 0.66, 0.35), (m - inner, 0.46)],
        "wavy": [
            (m + inner, 0.45),
            (m + inner * 0.7, 0.385),
            (m - inner * 0.25, 0.30),
            (m - inner * 0.75, 0.36),
            (m - inner, 0.45),
        ],
        "short": [
            (m + inner, 0.43),
            (m + inner * 0.85, 0.36),
            (m - inner * 0.35, 0.315),
            (m - inner * 0.85, 0.375),
            (m - inner, 0.43),
        ],
        "pigtails": [
            (m + inner, 0.43),
            (m + inner * 0.7, 0.345),
            (m, 0.29),
            (m - inner * 0.7, 0.345),
            (m - inner, 0.43),
        ],
    }
    default = [
        (m + inner, 0.43),
        (m + inner * 0.8, 0.35),
        (m, HAIRLINE - 0.01),
        (m - inner * 0.8, 0.35),
        (m - inner, 0.43),
    ]
    return np.concatenate([right, smooth(lines.get(style, default), closed=False), left])


def _locks(canvas: Canvas, face: Anatomy, style: str, colour: Colour) -> None:
    """Strands in front of the ears, so that long hair frames the face."""
    low = {"bob": 0.70, "long": 0.90, "wavy": 0.84}[style]
    w = face.width
    for side in (-1, 1):
        strand = [
            (w + 0.02, 0.36),
            (w + 0.055, 0.50),
            (w + 0.06, low - 0.06),
            (w + 0.02, low),
            (w - 0.012, low - 0.08),
            (w - 0.022, 0.50),
            (w - 0.03, 0.42),
        ]
        canvas.polygon(smooth([(CENTRE + side * x, y) for x, y in strand]), colour, FacePart.HAIR)


def _spikes(canvas: Canvas, face: Anatomy, colour: Colour) -> None:
    base = face.width * 0.98
    xs = np.linspace(-base, base, 6)
    tops = []
    for left, right in itertools.pairwise(xs):
        middle = (left + right) / 2
        height = 0.125 + 0.75 * middle**2
        tops += [(CENTRE + left, 0.27 + 1.1 * left**2), (CENTRE + middle * 1.15, height)]
    outline = [*tops, (CENTRE + xs[-1], 0.27 + 1.1 * xs[-1] ** 2), (CENTRE, 0.33)]
    canvas.polygon(np.array(outline), colour, FacePart.HAIR)
