"""The pack's own socket types and what their inputs share."""

from __future__ import annotations

from comfy_api.latest import io

CATEGORY = "StableIdentity"

FaceEncoderType = io.Custom("STABLEIDENTITY_FACE_ENCODER")
FaceType = io.Custom("STABLEIDENTITY_FACE")
NameSpaceType = io.Custom("STABLEIDENTITY_NAME_SPACE")
ProjectorType = io.Custom("STABLEIDENTITY_PROJECTOR")
IdentityType = io.Custom("STABLEIDENTITY_IDENTITY")

TRIGGER_TOOLTIP = (
    "The word that stands for the person in prompts. Type it there in angle brackets: anna becomes <anna>. "
    "Letters, digits, '.', '_' and '-'."
)


def advanced(widget: io.Input) -> io.Input:
    """Fold a widget away under 'advanced' in frontends that know it; older ones show it."""
    widget.extra_dict["advanced"] = True
    return widget
