"""Text descriptions of drawn people."""

from __future__ import annotations

from .person import Person

_HAIR = {
    "bald": "no hair",
    "buzz": "very short {} hair",
    "short": "short {} hair",
    "quiff": "a {} quiff",
    "spiky": "spiky {} hair",
    "curly": "curly {} hair",
    "bob": "a {} bob",
    "long": "long {} hair",
    "wavy": "wavy {} hair",
    "bun": "{} hair in a bun",
    "pigtails": "{} pigtails",
}
_BEARD = {"stubble": "stubble", "moustache": "a moustache", "goatee": "a goatee", "full": "a full beard"}


def describe(person: Person) -> str:
    """Such as "a woman with long ginger hair, green eyes and freckles"."""
    look = person.colouring
    features = [_HAIR[look.hair].format(look.hair_colour), f"{look.eye_colour} eyes"]
    features += [_BEARD[look.beard]] if look.beard in _BEARD else []
    features += ["freckles"] if look.freckles else []
    return f"a {'woman' if look.woman else 'man'} with {', '.join(features[:-1])} and {features[-1]}"
