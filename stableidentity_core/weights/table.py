"""The table of all weights, used by the loaders, MODELS.md and the command `download`.

Sizes and hashes are third-party data, see `hash_from`; downloads are verified against them.
"""

from __future__ import annotations

import difflib

from ..errors import StableIdentityError
from .compared import COMPARED
from .evaluation import EVALUATION
from .face_nets import FACE_NETS
from .flow import FLOW
from .models import MODELS
from .triposplat import SPLATS
from .video import VIDEO
from .weight import Weight

WEIGHTS = {weight.name: weight for weight in (*MODELS, *FACE_NETS, *VIDEO, *SPLATS, *FLOW, *EVALUATION, *COMPARED)}
NEEDED = tuple(weight.name for weight in WEIGHTS.values() if weight.section == "needed")
EVALUATION_FACES = ("retinaface_resnet50", "arcface_ir_se50")  # by which the suite finds and recognises faces
FOR_EVALUATION = (*EVALUATION_FACES, *(weight.name for weight in EVALUATION))


def get_weight(name: str) -> Weight:
    """The table's entry with the given name.

    Raises:
        StableIdentityError: no such entry; the message lists all and suggests the closest.
    """
    if name in WEIGHTS:
        return WEIGHTS[name]
    close = difflib.get_close_matches(name, WEIGHTS, n=1)
    raise StableIdentityError(
        f"There are no weights named {name[:100]!r}"
        + (f"; did you mean {close[0]!r}?" if close else ".")
        + f" Known names: {', '.join(WEIGHTS)}."
    )
