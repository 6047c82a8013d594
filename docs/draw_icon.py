"""Draws the pack's icon and banner for the registry: a face of the mini world between the brackets of a trigger.

python docs/draw_icon.py [FOLDER]    FOLDER is docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mini_world.look import Look  # noqa: E402
from mini_world.painter import paint  # noqa: E402
from mini_world.person import unseen_person  # noqa: E402

PERSON = 19
INK, PAPER, ACCENT = (38, 34, 54), (255, 244, 224), (240, 120, 80)
SMOOTH = 4  # drawn larger and reduced
ICON = 400  # the registry's limit
BANNER = (1260, 540)  # 21:9
CLOSE = 1.12  # the face fills more of the round picture than of the drawn one
PHOTO = Look(expression="smiling", scene="blue wall", shirt="yellow shirt")
LOOKS = (
    Look(expression="smiling", scene="beach", shirt="red shirt", glasses="sunglasses"),
    Look(style="sketch", expression="smiling"),
    Look(expression="smiling", scene="forest", shirt="purple shirt", hat="crown"),
)


def face(side: int, look: Look = PHOTO) -> Image.Image:
    """A round picture of the person, transparent around it."""
    whole = Image.fromarray(paint(unseen_person(PERSON), look, size=round(CLOSE * side)).image)
    edge = (whole.width - side) // 2
    picture = whole.crop((edge, edge, edge + side, edge + side))
    round_mask = Image.new("L", (side * SMOOTH,) * 2)
    ImageDraw.Draw(round_mask).ellipse((0, 0, side * SMOOTH - 1, side * SMOOTH - 1), fill=255)
    picture.putalpha(round_mask.resize((side, side), Image.Resampling.LANCZOS))
    return picture


def canvas(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width * SMOOTH, height * SMOOTH), PAPER)


def bracket(draw: ImageDraw.ImageDraw, x: float, y: float, wide: float, high: float, thick: float) -> None:
    """One angle of `<` with its tip at (x, y); a negative width makes it `>`. In pixels of the finished picture."""
    points = [(x + wide, y - high / 2), (x, y), (x + wide, y + high / 2)]
    scaled = [(SMOOTH * a, SMOOTH * b) for a, b in points]
    draw.line(scaled, fill=ACCENT, width=round(SMOOTH * thick), joint="curve")
    radius = SMOOTH * thick / 2
    for a, b in scaled:
        draw.ellipse((a - radius, b - radius, a + radius, b + radius), fill=ACCENT)


def bracketed(draw: ImageDraw.ImageDraw, x: float, y: float, side: float) -> None:
    """A pair of brackets around a face of `side` pixels at (x, y)."""
    gap, wide, high, thick = 0.56 * side, 0.17 * side, 0.6 * side, 0.085 * side
    bracket(draw, x - gap - wide, y, wide, high, thick)
    bracket(draw, x + gap + wide, y, -wide, high, thick)


def finished(large: Image.Image) -> Image.Image:
    return large.resize((large.width // SMOOTH, large.height // SMOOTH), Image.Resampling.LANCZOS)


def paste(picture: Image.Image, part: Image.Image, x: float, y: float) -> None:
    picture.paste(part, (round(x - part.width / 2), round(y - part.height / 2)), part)


def icon() -> Image.Image:
    large = canvas(ICON, ICON)
    side = 236
    bracketed(ImageDraw.Draw(large), ICON / 2, ICON / 2, side)
    picture = finished(large)
    paste(picture, face(side), ICON / 2, ICON / 2)
    return picture


def banner() -> Image.Image:
    """The photo in brackets, an arrow, and the same person in other looks."""
    width, height = BANNER
    large = canvas(width, height)
    draw = ImageDraw.Draw(large)
    middle, side, small = height / 2, 250, 176
    bracketed(draw, 250, middle, side)
    draw.line([SMOOTH * v for v in (500, middle, 585, middle)], fill=INK, width=10 * SMOOTH)
    tip = ((580, middle - 24), (622, middle), (580, middle + 24))
    draw.polygon([(SMOOTH * a, SMOOTH * b) for a, b in tip], fill=INK)
    picture = finished(large)
    paste(picture, face(side), 250, middle)
    for place, look in enumerate(LOOKS):
        paste(picture, face(small, look), 745 + 196 * place, middle)
    return picture


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in {"icon.png": icon(), "banner.png": banner()}.items():
        picture.save(folder / name, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
