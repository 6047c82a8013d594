"""The space of celebrity names: which names count, and their mean and deviation (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from ..console.streams import get_logger
from ..errors import StableIdentityError
from ..shapes import check_shape
from .space import WORDS, TextSpace
from .stand_in import tokens_in_sentence

MIN_NAMES = 2
FEW_NAMES = 150  # below, mean and deviation of the positions are rough
log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class NameSpace:
    """Embeddings of two-token names in one text space, and what AdaIN needs of them."""

    space: str
    names: tuple[str, ...]
    embeddings: Tensor  # [M, 2, D] float32: first name, last name
    longer: Tensor | None = None  # [L, 2, D] float32: the first two tokens of longer names

    def __post_init__(self):
        sizes = check_shape(self.embeddings, "m 2 d", "name embeddings", m=len(self.names))
        if self.longer is not None:
            check_shape(self.longer, "l 2 d", "embeddings of longer names", d=sizes["d"])
        if len(self.names) < MIN_NAMES:
            raise StableIdentityError(f"A name space needs at least {MIN_NAMES} names, found {len(self.names)}.")

    @property
    def width(self) -> int:
        return self.embeddings.shape[-1]

    @property
    def leading(self) -> Tensor:  # [M + L, 2, D]
        """First two tokens of all names of two tokens or more: Celeb-Basis' names, as its code takes them."""
        return self.embeddings if self.longer is None else torch.cat([self.embeddings, self.longer])

    @cached_property
    def mean(self) -> Tensor:  # [2, D]
        return self.embeddings.mean(dim=0)

    @cached_property
    def std(self) -> Tensor:  # [2, D], unbiased
        return self.embeddings.std(dim=0, unbiased=True)

    @property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest embedding value of all names (Table 3 of the paper)."""
        return self.embeddings.min().item(), self.embeddings.max().item()


@lru_cache
def celebrity_names() -> tuple[str, ...]:
    """The pack's own list of celebrity names, in alphabetical order."""
    return parse_names(Path(__file__).with_name("celebrity_names.txt").read_text("utf-8"))


def parse_names(text: str) -> tuple[str, ...]:
    """Names from text: one a line, blank lines and `#` comments skipped, repeats dropped."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def build_name_space(space: TextSpace, names: Iterable[str] | None = None) -> NameSpace:
    """Look up the embeddings of all names that are exactly two tokens; CLIP reads capitals as small letters.

    Where tokens depend on what stands around them, those within a sentence count, and a warning is logged if there are
    few: most lists of names are made for CLIP.

    Of longer names the first two tokens are kept apart, see `NameSpace.leading`; shorter ones are left out.

    Args:
        space: whose tokens and embeddings are taken.
        names: full names; by default the pack's own list.

    Raises:
        StableIdentityError: fewer than two of the names are two tokens long.
    """
    candidates = celebrity_names() if names is None else tuple(names)
    ids = _tokens(space, candidates)
    usable: dict[tuple[int, ...], str] = {}
    for name, tokens in ids.items():
        if len(tokens) == WORDS:
            usable.setdefault(tuple(tokens), name)
    longer = {tuple(tokens): tuple(tokens[:WORDS]) for tokens in ids.values() if len(tokens) > WORDS}
    if len(usable) < MIN_NAMES:
        examples = ", ".join(f"{name!r} ({len(tokens)})" for name, tokens in list(ids.items())[:3])
        raise StableIdentityError(
            f"Of {len(candidates)} names only {len(usable)} are different and exactly two tokens in {space.name}, "
            f"needed at least {MIN_NAMES} (better some hundreds). Give full names such as 'Tom Cruise', one a line"
            + (f"; token counts found: {examples}." if examples else ".")
        )
    if space.contextual and len(usable) < FEW_NAMES:
        log.warning(
            "StableIdentity: only %d of %d names are two tokens in %s, better %d or more: people may look alike. Add "
            "names in Celebrity Name Space.",
            len(usable),
            len(candidates),
            space.name,
            FEW_NAMES,
        )

    def embedded(pairs: Iterable[tuple[int, ...]]) -> Tensor:
        with torch.no_grad():
            return space.embed(torch.tensor(list(pairs))).detach().float().cpu().clone()

    return NameSpace(
        space=space.name,
        names=tuple(usable.values()),
        embeddings=embedded(usable),
        longer=embedded(longer.values()) if longer else None,
    )


def _tokens(space: TextSpace, names: Sequence[str]) -> dict[str, list[int]]:
    """Tokens of each name, read in a thread that then ends.

    The package tokenizers remembers every word that a tokenizer has read, once for each thread, and frees that only
    with the thread: 0.6 MB for each text encoder that is loaded, long after the encoder is gone.
    """
    read = partial(tokens_in_sentence, space.tokenize) if space.contextual else space.tokenize
    with ThreadPoolExecutor(max_workers=1) as reader:
        return reader.submit(lambda: {name: read(name) for name in names}).result()
