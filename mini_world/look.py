"""The attributes of a picture that a prompt can change, and captions for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import numpy as np

COLOURS = {
    "red": (214, 48, 49),
    "blue": (45, 104, 216),
    "green": (46, 158, 82),
    "yellow": (247, 201, 58),
    "purple": (134, 72, 186),
    "black": (44, 46, 52),
    "white": (240, 240, 236),
    "orange": (240, 132, 40),
    "pink": (246, 143, 177),
}

STYLES = ("photo", "sketch", "sepia")
HATS = ("none", "red hat", "blue hat", "green hat", "yellow hat", "purple hat", "black hat", "crown")
GLASSES = ("none", "glasses", "sunglasses")
SHIRTS = tuple(f"{colour} shirt" for colour in COLOURS) + ("suit",)
WALLS = tuple(f"{colour} wall" for colour in ("red", "blue", "green", "yellow", "purple", "pink"))
SCENES = ("studio", "snow", "beach", "forest", "city", "night", "sunset", *WALLS)
EXPRESSIONS = ("neutral", "smiling", "sad", "surprised")
GAZES = ("ahead", "left", "right")

_SCENE_WORDS = {
    "snow": "in the snow",
    "beach": "on the beach",
    "forest": "in a forest",
    "city": "in the city",
    "night": "at night",
    "sunset": "at sunset",
} | {wall: f"in front of a {wall}" for wall in WALLS}
_STYLE_WORDS = {
    "photo": "a photo of {}",
    "sketch": "a pencil sketch of {}",
    "sepia": "a sepia photo of {}",
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """Everything except the person. A shirt is always worn but not always mentioned."""

    style: str = "photo"
    hat: str = "none"
    glasses: str = "none"
    shirt: str = "white shirt"
    scene: str = "studio"
    expression: str = "neutral"
    gaze: str = "ahead"


CHOICES = {
    "style": STYLES,
    "hat": HATS,
    "glasses": GLASSES,
    "shirt": SHIRTS,
    "scene": SCENES,
    "expression": EXPRESSIONS,
    "gaze": GAZES,
}
assert tuple(CHOICES) == tuple(field.name for field in fields(Look))


def draw_look(rng: np.random.Generator) -> tuple[Look, frozenset[str]]:
    """A random look and the attributes that its caption mentions."""
    chances = {"style": 0.2, "hat": 0.4, "glasses": 0.35, "shirt": 0.4, "scene": 0.65, "expression": 0.45, "gaze": 0.2}
    chosen = {part: rng.random() < chance for part, chance in chances.items()}
    values = {part: str(rng.choice(CHOICES[part][1:])) for part in chances if chosen[part]}
    values["shirt"] = str(rng.choice(SHIRTS))
    return Look(**values), frozenset(part for part in chances if chosen[part])


def caption(look: Look, who: str, mentions: frozenset[str] | None = None) -> str:
    """The sentence for a picture of `who` with this look, such as "a photo of anna smiling at night".

    Args:
        who: "{}" makes a template.
        mentions: attributes to mention; by default all that differ from Look().
    """
    if mentions is None:
        mentions = frozenset(part for part in CHOICES if getattr(look, part) != getattr(Look(), part))
    words = [_STYLE_WORDS[look.style].replace("{}", who)]
    if "expression" in mentions:
        words.append(look.expression)
    worn = [_with_article(getattr(look, part)) for part in ("hat", "glasses", "shirt") if part in mentions]
    if worn:
        words.append("wearing " + " and ".join(worn))
    if "gaze" in mentions:
        words.append(f"looking {look.gaze}")
    if "scene" in mentions:
        words.append(_SCENE_WORDS[look.scene])
    return " ".join(words)


def _with_article(thing: str) -> str:
    if thing.endswith("glasses"):
        return thing
    return f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"


PROMPTS: tuple[Look, ...] = (
    Look(),
    Look(hat="red hat", scene="snow"),
    Look(glasses="sunglasses", scene="beach"),
    Look(expression="smiling", scene="forest"),
    Look(glasses="glasses", shirt="suit", scene="city"),
    Look(hat="crown", scene="purple wall"),
    Look(expression="surprised", scene="night"),
    Look(hat="blue hat", shirt="yellow shirt", scene="pink wall"),
    Look(expression="sad", scene="sunset"),
    Look(style="sketch"),
    Look(style="sepia", hat="black hat"),
    Look(gaze="left", shirt="red shirt", scene="blue wall"),
)


def look_of(prompt: str) -> Look | None:
    """The look that a prompt with `{}` for the person asks for; None if it is not worded as `caption` does.

    `a photo of {} wearing a red hat in the snow` -> Look(hat="red hat", scene="snow")
    """
    words = {
        "style": _STYLE_WORDS,
        "scene": _SCENE_WORDS,
        "gaze": {gaze: f"looking {gaze}" for gaze in GAZES},
    }
    found = {}
    for part, options in CHOICES.items():
        said: dict[str, str] = {option: words.get(part, {}).get(option) or option for option in options}
        named = [option for option, text in said.items() if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", prompt)]
        found |= {part: max(named, key=len)} if named else {}
    look = Look(**found)
    return look if caption(look, "{}") == prompt else None
