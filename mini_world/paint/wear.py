"""Clothes, hats and glasses."""

from __future__ import annotations

import numpy as np

from ..core import FacePart
from ..look import COLOURS
from .anatomy import CENTRE, Anatomy
from .canvas import Canvas, darker, lighter, mix, smooth


def draw_shirt(canvas: Canvas, shirt: str) -> None:
    shoulders = smooth(
        [
            (0.04, 1.08),
            (0.10, 0.945),
            (0.30, 0.885),
            (0.40, 0.865),
            (0.5, 0.93),
            (0.60, 0.865),
            (0.70, 0.885),
            (0.90, 0.945),
            (0.96, 1.08),
        ]
    )
    if shirt == "suit":
        canvas.polygon(shoulders, (52, 58, 78), FacePart.CLOTH)
        canvas.polygon(
            np.array([(0.39, 0.868), (0.5, 1.05), (0.61, 0.868), (0.5, 0.93)]), (246, 246, 244), FacePart.CLOTH
        )
        canvas.polygon(
            np.array([(0.475, 0.925), (0.525, 0.925), (0.535, 1.05), (0.465, 1.05)]), (190, 40, 48), FacePart.CLOTH
        )
        return
    colour = COLOURS[shirt.split()[0]]
    canvas.polygon(shoulders, colour, FacePart.CLOTH)
    collar = smooth([(0.385, 0.872), (0.5, 0.945), (0.615, 0.872)], closed=False)
    canvas.line(collar, 0.020, darker(colour, 0.22), FacePart.CLOTH)


def draw_hat(canvas: Canvas, hat: str, face: Anatomy) -> None:
    if hat == "crown":
        _draw_crown(canvas, face)
        return
    colour = COLOURS[hat.split()[0]]
    w = face.width + 0.04
    dome = smooth(
        [
            (CENTRE - w, 0.36),
            (CENTRE - w * 0.93, 0.22),
            (CENTRE - w * 0.5, 0.115),
            (CENTRE, 0.09),
            (CENTRE + w * 0.5, 0.115),
            (CENTRE + w * 0.93, 0.22),
            (CENTRE + w, 0.36),
            (CENTRE, 0.33),
        ]
    )
    canvas.polygon(dome, colour, FacePart.HAT)
    canvas.glow(CENTRE - 0.09, 0.19, 0.08, 0.07, lighter(colour, 0.6), 0.55, dome)
    canvas.ellipse(CENTRE, 0.085, 0.045, 0.045, mix(colour, (255, 255, 255), 0.45), FacePart.HAT)
    brim = smooth([(CENTRE - w - 0.012, 0.35), (CENTRE, 0.315), (CENTRE + w + 0.012, 0.35)], closed=False)
    canvas.line(brim, 0.062, darker(colour, 0.16), FacePart.HAT)


def _draw_crown(canvas: Canvas, face: Anatomy) -> None:
    gold, w = (248, 200, 52), face.width + 0.015
    points = [
        (-w, 0.32),
        (-w - 0.02, 0.10),
        (-w * 0.5, 0.21),
        (0, 0.07),
        (w * 0.5, 0.21),
        (w + 0.02, 0.10),
        (w, 0.32),
        (0, 0.345),
    ]
    canvas.polygon(np.array([(CENTRE + x, y) for x, y in points]), gold, FacePart.HAT)
    band = smooth([(CENTRE - w, 0.315), (CENTRE, 0.338), (CENTRE + w, 0.315)], closed=False)
    canvas.line(band, 0.036, darker(gold, 0.24), FacePart.HAT)
    for x, y, colour in (
        (0, 0.245, (206, 44, 60)),
        (-w * 0.62, 0.25, (52, 110, 214)),
        (w * 0.62, 0.25, (52, 110, 214)),
    ):
        canvas.ellipse(CENTRE + x, y, 0.024, 0.024, colour, FacePart.HAT)


def draw_glasses(canvas: Canvas, glasses: str, face: Anatomy) -> None:
    """Frames belong to the look, so they are a part of their own; eyes behind clear lenses remain eyes."""
    radius = 0.086
    frame = (34, 32, 40)
    eyes = [face.middle + side * max(face.eye_offset, 0.094) for side in (-1, 1)]
    for x in eyes:
        if glasses == "sunglasses":
            canvas.ellipse(x, face.eye_y + 0.006, radius + 0.006, radius * 0.86, (26, 24, 34), FacePart.GLASSES)
            canvas.ellipse(x - 0.024, face.eye_y - 0.018, 0.026, 0.016, (96, 98, 120), FacePart.GLASSES)
        else:
            ring = np.linspace(0, 2 * np.pi, 40)
            circle = np.stack([x + radius * np.cos(ring), face.eye_y + 0.004 + radius * 0.9 * np.sin(ring)], axis=-1)
            canvas.line(circle, 0.014, frame, FacePart.GLASSES)
    bridge = smooth(
        [(eyes[0] + radius, face.eye_y), (face.middle, face.eye_y - 0.014), (eyes[1] - radius, face.eye_y)],
        closed=False,
    )
    canvas.line(bridge, 0.014, frame, FacePart.GLASSES)
    for x, side in zip(eyes, (-1, 1), strict=True):
        temple = np.array([(x + side * radius, face.eye_y - 0.005), (CENTRE + side * (face.width + 0.01), face.eye_y)])
        canvas.line(temple, 0.013, frame, FacePart.GLASSES)
