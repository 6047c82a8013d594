"""Map and table of people, in all text spaces of a base."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from ...identity.compatibility import check_one_base
from ...identity.types import Identity
from ...text.names import NameSpace
from .picture import space_map
from .ranges import range_table

LONGEST = 24  # letters of a label


def map_people(
    name_spaces: Sequence[NameSpace], identities: Sequence[Identity], method: str = "PCA"
) -> tuple[Tensor, str]:
    """The maps [S, H, W, 3] in 0..1, one for each text space, and the table of values as Markdown.

    Nobody at all gives a map of the names. For `method` and what is raised see `points.lay_out` and
    `bases.check_one_base`.
    """
    check_one_base(identities, name_spaces)
    people = dict(zip(label_people(identities), (one.words for one in identities), strict=True))
    maps = [
        space_map(names, {label: words[names.space] for label, words in people.items()}, method)
        for names in name_spaces
    ]
    return torch.stack(maps), range_table(name_spaces, people)


def label_people(identities: Sequence[Identity]) -> list[str]:
    """Triggers without brackets, shortened; numbered where several are alike, so that no two are the same."""
    bare = [_short(one.trigger[1:-1]) for one in identities]
    counts, seen, labels = Counter(bare), Counter[str](), []
    for label in bare:
        seen[label] += 1
        labels.append(f"{label} {seen[label]}" if counts[label] > 1 else label)
    return labels


def _short(trigger: str) -> str:
    return trigger if len(trigger) <= LONGEST else f"{trigger[: LONGEST - 1]}…"
