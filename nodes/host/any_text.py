"""A host CLIP of any base that people can be learned on."""

from __future__ import annotations

from typing import Any

from .flow.table import flow_family_of_clip
from .flow.text import FlowTextEncoders
from .text import HostTextEncoders

HostText = HostTextEncoders | FlowTextEncoders


def host_text(clip: Any) -> HostText:
    """The text encoders of a host CLIP.

    Raises:
        WrongModelError: no base of the pack has them, or one of them is missing.
    """
    family = None if clip is None else flow_family_of_clip(clip)
    return HostTextEncoders(clip) if family is None else FlowTextEncoders(clip, family)
