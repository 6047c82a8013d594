"""The pack's own socket types and helpers for their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError

FaceEncoderType = io.Custom("STABLEIDENTITY_FACE_ENCODER")
FaceType = io.Custom("STABLEIDENTITY_FACE")  # a tuple of Face: one person's photos
NameSpaceType = io.Custom("STABLEIDENTITY_NAME_SPACE")  # a tuple of NameSpace: one per text space
ProjectorType = io.Custom("STABLEIDENTITY_PROJECTOR")
IdentityType = io.Custom("STABLEIDENTITY_IDENTITY")
ScoresType = io.Custom("STABLEIDENTITY_SCORES")  # PictureScores
HeadSettingsType = io.Custom("STABLEIDENTITY_HEAD_SETTINGS")
# The host's own, where it has one; what a socket carries is in nodes/host/splats.py.
SplatType: Any = getattr(io, "Splat", None) or io.Custom("SPLAT")

TRIGGER_TOOLTIP = (
    "The word that stands for the person in prompts. Type it there in angle brackets: anna becomes <anna>. "
    "Letters, digits, '.', '_' and '-'."
)


def fits(check: Callable[[str], object], value: object, needed: bool = True) -> bool | str:
    """For validate_inputs: report what is wrong with a text widget before any work is done.

    Args:
        value: None if the input is connected; the node then checks it at run time.
        needed: False allows an empty text.
    """
    if value is None:
        return True
    if not isinstance(value, str):  # possible in prompts sent by the API
        return f"It is a {type(value).__name__}, needed text."
    if not (needed or value.strip()):
        return True
    try:
        check(value)
    except StableIdentityError as error:
        return str(error)
    return True


def advanced(widget: io.Input) -> io.Input:
    """Mark a widget as advanced: frontends that support it collapse it; older ones show it."""
    widget.extra_dict["advanced"] = True
    return widget


def only(name: str, values: Sequence[Any], node: str) -> Any:
    """The single value of an input of a node that takes lists.

    Raises:
        StableIdentityError: no value, or different ones.
    """
    same = all(value is values[0] or _equal(value, values[0]) for value in values[1:])
    if not values or not same:
        raise StableIdentityError(
            f"{node} got {len(values)} {'different ' if values else ''}values of {name}, needed one for all people. "
            "Connect one, or use a separate node for each."
        )
    return values[0]


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, str | int | float) and type(one) is type(other) and one == other
