"""The one table of weights: loaders, MODELS.md and the command `download` read it.

Sizes and hashes were published by others, see `hash_from`; a download is compared with them.
"""

from __future__ import annotations

import difflib

from ..errors import StableIdentityError
from .face_nets import FACE_NETS
from .models import MODELS
from .video import VIDEO
from .weight import Weight

WEIGHTS = {weight.name: weight for weight in (*MODELS, *FACE_NETS, *VIDEO)}
NEEDED = tuple(weight.name for weight in WEIGHTS.values() if weight.section == "needed")


def get_weight(name: str) -> Weight:
    """The table's entry of a name.

    Raises:
        StableIdentityError: no such entry; the message lists all, and the one that was probably meant.
    """
    if name in WEIGHTS:
        return WEIGHTS[name]
    close = difflib.get_close_matches(name, WEIGHTS, n=1)
    raise StableIdentityError(
        f"No weights are called {name[:100]!r}"
        + (f"; did you mean {close[0]!r}?" if close else ".")
        + f" There are: {', '.join(WEIGHTS)}."
    )
