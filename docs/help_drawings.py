"""Cards of the help pages that need the mini world's painter alone."""

from __future__ import annotations

import torch
from help_cards import ACCENT, GREY, PAPER, Card, part, picture
from PIL import Image, ImageDraw

from mini_world.core import Face, portrait
from mini_world.look import Look
from mini_world.painter import paint
from mini_world.person import unseen_person
from stableidentity_core.encode.crop import FACE_BOX
from stableidentity_core.face.candidates_preview import draw_candidates
from stableidentity_core.face.detect import Candidate
from stableidentity_core.face.overlay import overlay
from stableidentity_core.video.windows import windows

ANNA, BEN, CARLA = 19, 4, 11
MANY = (1, 2, 3, 6, 9, 18, 20, 23)
PLAIN = Look()
# OpenPose's limbs and their colours, of one half a body and the other.
LIMBS = (
    ((128, 60), (128, 90), (0, 0, 255)),
    ((128, 90), (90, 92), (255, 0, 0)),
    ((90, 92), (70, 140), (255, 85, 0)),
    ((128, 90), (166, 92), (255, 170, 0)),
    ((166, 92), (190, 60), (170, 255, 0)),
    ((128, 90), (108, 160), (0, 255, 85)),
    ((108, 160), (100, 230), (0, 255, 170)),
    ((128, 90), (148, 160), (0, 170, 255)),
    ((148, 160), (160, 230), (0, 85, 255)),
)


def drawn(person: int, size: int = 256, look: Look = PLAIN) -> Face:
    """The photo of a person, with the painter's exact masks."""
    made = paint(unseen_person(person), look, size)
    pixels = torch.from_numpy(made.image.copy()).movedim(-1, 0) / 255
    return portrait(pixels, torch.from_numpy(made.face_mask), torch.from_numpy(made.hair_mask))


def photo(person: int, look: Look = PLAIN) -> Image.Image:
    return picture(drawn(person, look=look).image)


def draw_person() -> Card:
    card = Card().pictures([photo(one) for one in (1, 2, 3, 4)], [f"person {one}" for one in (1, 2, 3, 4)])
    looks = [Look(style="sketch"), Look(hat="crown"), Look(glasses="sunglasses"), Look(scene="beach", shirt="suit")]
    return card.pictures([photo(4, look) for look in looks], ["sketch", "crown", "sunglasses", "beach"])


def prepare_face() -> Card:
    faces = [drawn(one) for one in (CARLA, ANNA, BEN)]
    group = torch.cat([face.image for face in faces], dim=-1)
    found = [_candidate(number * 512) for number in range(len(faces))]
    anna = faces[1]
    return (
        Card()
        .pictures([picture(draw_candidates(group, found, found[1]))], ["the faces found; a click chooses one"])
        .pictures(
            [picture(anna.image), picture(overlay(anna.image, anna.face_mask, anna.hair_mask))], ["aligned", "overlay"]
        )
    )


def _candidate(left: int) -> Candidate:
    """The face of a drawn portrait of 512 pixels: average places, as the painter has them."""
    points = torch.tensor([[204, 264], [308, 264], [256, 330], [222, 372], [290, 372]]) + torch.tensor([left, 0])
    return Candidate(box=torch.tensor([140.0 + left, 130, 372 + left, 430]), score=1.0, landmarks=points.float())


def encode_face() -> Card:
    shown = picture(drawn(ANNA, 512).image)
    seen = part(shown, *FACE_BOX)
    ImageDraw.Draw(shown).rectangle([edge * shown.width for edge in FACE_BOX], outline=ACCENT, width=6)
    return Card().pictures([shown, seen], ["portrait", "what the\nencoder sees"])


def folder() -> Card:
    faces = [photo(one) for one in MANY]
    return Card().pictures(faces[:4]).pictures(faces[4:])


def windows_of_frames() -> Card:
    length, overlap, frames, wide, tall = 16, 4, 40, 12, 30
    canvas = Image.new("RGB", (frames * wide, 4 * tall), PAPER)
    pen = ImageDraw.Draw(canvas)
    for row, frames_of_it in enumerate([range(frames), *windows(frames, length, overlap)]):
        for frame in frames_of_it:
            box = (frame * wide, row * tall, (frame + 1) * wide - 3, (row + 1) * tall - 8)
            pen.rectangle(box, fill=GREY if row == 0 else ACCENT)
    return Card().pictures([canvas], ["40 frames; windows of 16 that overlap by 4"])


def channel_order() -> Card:
    pose = Image.new("RGB", (256, 256))
    pen = ImageDraw.Draw(pose)
    for start, end, colour in LIMBS:
        pen.line([start, end], colour, 10)
    red, green, blue = pose.split()
    return Card().pictures([pose, Image.merge("RGB", (blue, green, red))], ["RGB", "BGR"])
