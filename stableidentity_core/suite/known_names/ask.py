"""Pictures of names, and whether those of one name show one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...errors import StableIdentityError
from ...evaluate.metrics.instruments import FindFaces
from ...evaluate.networks.aligned import as_face
from ...text.prompts import SLOT
from ..judging import PROMPTS, SEED
from .groups import Groups
from .result import GroupResult, NamesKnown

Paint = Callable[[Sequence[str], int], Tensor]  # N prompts and the first one's seed -> pictures [N, 3, S, S] in 0..1


def ask_for_names(
    groups: Groups,
    *,
    paint: Paint,
    find: FindFaces,
    embed: Callable[[Tensor], Tensor],
    side: int,
    on_name: Callable[[str], None] = lambda name: None,
) -> NamesKnown:
    """Paint every name with each of PROMPTS, and compare the faces of all pictures of a group.

    The noise differs between the prompts of a name and is the same for every name: what pictures of one name have
    in common is then not the noise.

    Args:
        paint: the model that is asked.
        find: finds the largest face of each picture.
        embed: crops [N, 3, C, C] in 0..1 -> unit vectors [N, D].
        side: of the kept pictures in pixels.
        on_name: called with each name before it is painted.

    Raises:
        StableIdentityError: values of pictures or features that are not finite.
    """
    results = {}
    for group, names in groups.items():
        pictures, vectors, found = [], [], []
        for name in names:
            on_name(name)
            painted = paint([prompt.replace(SLOT, name) for prompt in PROMPTS], SEED)
            faces = find(painted.float())
            vectors.append(embed(faces.crops).float().cpu())
            found.append(faces.found.cpu())
            pictures.append(torch.cat([as_face(picture, side) for picture in painted]))
        results[group] = _compared(names, torch.stack(vectors), torch.stack(found), torch.stack(pictures))
    return NamesKnown(groups=results)


def _compared(names: Sequence[str], vectors: Tensor, found: Tensor, pictures: Tensor) -> GroupResult:
    if not vectors.isfinite().all():
        raise StableIdentityError(
            "The recogniser gave features that are not finite; its file may be damaged, or the pictures are."
        )
    return GroupResult(names=tuple(names), same_first=separations(vectors, found), found=found, pictures=pictures)


def separations(vectors: Tensor, found: Tensor) -> list[float | None]:
    """How often two pictures of a name are more alike than one of them and a picture of another name, 0 to 1.

    0.5 is chance. Only pictures of different prompts are compared, within a name as between names. Equal pairs count
    half (the area under the ROC curve, J. A. Hanley and B. J. McNeil, 1982).

    Args:
        vectors: [N, P, D] of N names and P prompts, of length 1.
        found: [N, P] bool, whether there is a face.

    Returns:
        One for each name; None where fewer than two of its pictures, or no others, have a face.
    """
    alike = torch.einsum("apd,bqd->abpq", vectors, vectors)
    usable = found[:, None, :, None] & found[None, :, None, :] & ~torch.eye(vectors.shape[1], dtype=torch.bool)
    results: list[float | None] = []
    for name in range(len(vectors)):
        others = torch.arange(len(vectors)) != name
        same, other = alike[name, name][usable[name, name]], alike[name][others][usable[name][others]]
        if not len(same) or not len(other):
            results.append(None)
            continue
        wins = (same[:, None] > other).double() + 0.5 * (same[:, None] == other).double()
        results.append(wins.mean().item())
    return results
