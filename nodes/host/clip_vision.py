"""The host's CLIP vision model as a face encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...stableidentity_core.encode import ClipImageEncoder
from ...stableidentity_core.errors import WrongModelError
from ...stableidentity_core.fingerprint import fingerprint_tensors


def clip_vision_encoder(clip_vision: Any) -> ClipImageEncoder:
    """Wrap a CLIP_VISION; the host resizes, normalises and manages its memory.

    Raises:
        WrongModelError: the vision model does not give one embedding per image.
    """

    def embed(pictures: Tensor) -> Tensor:
        output = clip_vision.encode_image(pictures.movedim(1, -1), crop=False)
        embeds = getattr(output, "image_embeds", None)
        if embeds is None or embeds.ndim != 2:
            found = "none" if embeds is None else f"one of shape {list(embeds.shape)}"
            raise WrongModelError(
                f"The vision model {type(clip_vision.model).__name__} gives {found} as image embedding, needed "
                "one of shape [1, width]. Load a CLIP image encoder, such as CLIP-ViT-H-14."
            )
        return embeds.clone()

    width = embed(torch.zeros(1, 3, 224, 224)).shape[-1]
    weights = clip_vision.model.state_dict()
    return ClipImageEncoder(embed, name=f"host clip vision:{fingerprint_tensors(weights.items())}", width=width)
