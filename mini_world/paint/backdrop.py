"""The scene behind a person."""

from __future__ import annotations

import numpy as np

from ..look import COLOURS
from .canvas import Canvas, darker, lighter, mix, smooth

FLAKES = (
    (0.08, 0.12),
    (0.22, 0.30),
    (0.14, 0.52),
    (0.80, 0.10),
    (0.92, 0.28),
    (0.84, 0.44),
    (0.94, 0.62),
    (0.06, 0.72),
    (0.30, 0.08),
    (0.66, 0.05),
)
STARS = ((0.10, 0.34), (0.20, 0.14), (0.34, 0.06), (0.07, 0.58), (0.72, 0.06), (0.93, 0.40), (0.86, 0.58), (0.60, 0.03))


def draw_backdrop(canvas: Canvas, scene: str) -> None:
    painters = {
        "studio": _studio,
        "snow": _snow,
        "beach": _beach,
        "forest": _forest,
        "city": _city,
        "night": _night,
        "sunset": _sunset,
    }
    if scene in painters:
        painters[scene](canvas)
        return
    colour = COLOURS[scene.split()[0]]
    canvas.gradient([(0, lighter(colour, 0.12)), (1, darker(colour, 0.18))])


def _studio(canvas: Canvas) -> None:
    canvas.gradient([(0, (222, 222, 220)), (1, (168, 168, 168))])


def _snow(canvas: Canvas) -> None:
    canvas.gradient([(0, (150, 190, 226)), (0.7, (214, 230, 244)), (0.72, (240, 246, 252)), (1, (255, 255, 255))])
    for x, low, tall in ((0.10, 0.80, 0.42), (0.89, 0.80, 0.50)):
        for share in (0.0, 0.3, 0.6):
            top, half = low - tall + tall * share * 0.75, 0.05 + 0.085 * share + 0.03
            canvas.polygon(
                np.array([(x, top), (x + half, top + tall * 0.42), (x - half, top + tall * 0.42)]), (48, 108, 92)
            )
    for x, y in FLAKES:
        canvas.ellipse(x, y, 0.014, 0.014, (255, 255, 255))


def _beach(canvas: Canvas) -> None:
    canvas.gradient(
        [
            (0, (86, 176, 240)),
            (0.60, (190, 228, 250)),
            (0.601, (32, 128, 190)),
            (0.76, (64, 170, 214)),
            (0.761, (244, 220, 160)),
            (1, (232, 200, 130)),
        ]
    )
    canvas.ellipse(0.86, 0.14, 0.085, 0.085, (255, 232, 110))


def _forest(canvas: Canvas) -> None:
    canvas.gradient([(0, (120, 190, 110)), (0.75, (74, 146, 78)), (1, (60, 120, 62))])
    for x in (0.07, 0.93):
        canvas.rectangle(x - 0.035, 0.30, x + 0.035, 0.90, (110, 74, 48))
    for x, y, r in ((0.04, 0.20, 0.15), (0.20, 0.10, 0.13), (0.80, 0.10, 0.13), (0.97, 0.20, 0.15)):
        canvas.ellipse(x, y, r, r, (38, 110, 56))


def _city(canvas: Canvas) -> None:
    canvas.gradient([(0, (150, 182, 214)), (1, (206, 216, 226))])
    for left, right, top in ((0.0, 0.13, 0.24), (0.145, 0.28, 0.42), (0.72, 0.85, 0.36), (0.865, 1.0, 0.16)):
        canvas.rectangle(left, top, right, 1.0, (92, 98, 116))
        for y in np.arange(top + 0.04, 0.95, 0.10):
            for x in (left + 0.022, left + 0.078):
                canvas.rectangle(x, float(y), x + 0.034, float(y) + 0.05, (250, 222, 130))


def _night(canvas: Canvas) -> None:
    canvas.gradient([(0, (12, 14, 44)), (1, (44, 44, 96))])
    for x, y in STARS:
        canvas.ellipse(x, y, 0.012, 0.012, (255, 246, 206))
    canvas.ellipse(0.86, 0.17, 0.085, 0.085, (252, 240, 196))
    canvas.ellipse(0.825, 0.15, 0.072, 0.072, (17, 19, 50))


def _sunset(canvas: Canvas) -> None:
    canvas.gradient([(0, (84, 44, 122)), (0.45, (222, 92, 92)), (0.72, (250, 178, 84)), (1, (250, 178, 84))])
    canvas.ellipse(0.88, 0.66, 0.11, 0.11, (255, 226, 128))
    hills = smooth([(-0.1, 0.80), (0.15, 0.70), (0.42, 0.78), (0.7, 0.72), (1.1, 0.78), (1.1, 1.1), (-0.1, 1.1)])
    canvas.polygon(hills, mix((92, 40, 84), (40, 20, 50), 0.3))
