"""New identities: mixes of people, interpolations between two, and samples from the name space."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import torch

from ..errors import StableIdentityError
from ..fingerprint import WHOLE, fingerprint_tensors
from ..provenance import provenance
from ..text.adain import draw_words, mix_words
from ..text.names import NameSpace
from .compatibility import check_one_base
from .types import Identity


def mix_identities(
    identities: Sequence[Identity], weights: Sequence[float], name_spaces: Sequence[NameSpace], trigger: str
) -> Identity:
    """A weighted mix of identities; equal weights give their mean.

    The words are mixed as in Eq. 4, relative to the names: see `text.adain.mix_words`. So the result has the names'
    statistics, like a learned identity. Identities without these statistics (made by another method or setting, or by
    textual inversion) are normalised to them before mixing, so even a single one is changed.

    Args:
        identities: people of one base model, two words each; their triggers may be equal.
        weights: one per person, 0 or more; only their proportions count.
        name_spaces: one per text space of the base model.
        trigger: of the new person.

    Raises:
        WrongModelError: the people belong to different base models, or to another one than the name spaces.
        StableIdentityError: nothing to mix, invalid weights, or people who cancel each other out.
    """
    shares = _shares(weights, len(identities))
    check_one_base(identities, name_spaces)
    mixed = [(one, share) for one, share in zip(identities, shares, strict=True) if share]
    parts = torch.tensor([share for _one, share in mixed], dtype=torch.float64)
    words = {
        names.space: mix_words(torch.stack([one.words[names.space] for one, _share in mixed]), parts, names)
        for names in name_spaces
    }
    parents = [
        {"trigger": one.trigger, "words": one.content_hash, "method": one.header.get("method", ""), "weight": share}
        for one, share in mixed
    ]
    header = {
        "method": "mix",
        **_inherited([one for one, _share in mixed]),
        "parents": json.dumps(parents, sort_keys=True),
        **_origin(name_spaces),
    }
    return Identity(trigger=trigger, words=words, header=header)


def interpolate_identities(
    first: Identity, second: Identity, t: float, name_spaces: Sequence[NameSpace], trigger: str, steps: int = 1
) -> list[Identity]:
    """Identities between the first (t = 0) and the second (t = 1).

    Each is the mix with the weights 1 - t and t. One step gives the person at `t`; more steps give that many people,
    evenly spaced from the first to the one at `t`. All have the same trigger.

    Raises:
        StableIdentityError: t outside 0..1 or no steps; and the errors of `mix_identities`.
    """
    if not (math.isfinite(t) and 0 <= t <= 1):
        raise StableIdentityError(
            f"t is {t}, needed a number from 0 (only {first.trigger}) to 1 (only {second.trigger}). Change t."
        )
    if steps < 1:
        raise StableIdentityError(f"steps is {steps}, needed 1 (the person at t) or more. Change steps.")
    positions = [t] if steps == 1 else [t * (number / (steps - 1)) for number in range(steps)]
    return [mix_identities([first, second], [1 - at, at], name_spaces, trigger) for at in positions]


def sample_identity(name_spaces: Sequence[NameSpace], seed: int, trigger: str) -> Identity:
    """A new identity sampled from the name space: see `text.adain.draw_words`.

    With several text spaces, each name has the same random number in all of them, so that the words of all spaces
    describe the same person. The same names and seed give the same person.

    Raises:
        StableIdentityError: no name space.
    """
    check_one_base([], name_spaces)
    known = list(dict.fromkeys(name for names in name_spaces for name in names.names))
    drawn = torch.randn(len(known), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    number = dict(zip(known, drawn, strict=True))
    words = {
        names.space: draw_words(torch.stack([number[name] for name in names.names]), names) for names in name_spaces
    }
    return Identity(
        trigger=trigger, words=words, header={"method": "sample", "seed": str(seed), **_origin(name_spaces)}
    )


def _shares(weights: Sequence[float], people: int) -> list[float]:
    if not people:
        raise StableIdentityError("There are 0 identities to mix, needed at least 1. Connect one.")
    text = ", ".join(f"{weight:g}" for weight in weights)
    if len(weights) != people:
        raise StableIdentityError(f"There are {len(weights)} weights for {people} people, needed one per person.")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise StableIdentityError(f"The weights are {text}; needed numbers of 0 or more. Change the weights.")
    largest = max(weights)
    if largest == 0:
        raise StableIdentityError(
            f"All weights are 0 ({text}), so there is nothing to mix. Set at least one above 0; only proportions count."
        )
    parts = [weight / largest for weight in weights]  # their sum cannot overflow
    return [part / math.fsum(parts) for part in parts]


def _inherited(parents: Sequence[Identity]) -> dict[str, str]:
    """Base model and prediction type if all parents agree, and the licences of all their face encoders."""
    inherited = {}
    for key in ("base_fingerprint", "prediction"):
        values = {one.header.get(key, "") for one in parents}
        if len(values) == 1 and "" not in values:
            inherited[key] = values.pop()
    licences = dict.fromkeys(one.header.get("face_encoder_licence", "") for one in parents)
    text = "; ".join(licence for licence in licences if licence)
    return {**inherited, "face_encoder_licence": text} if text else inherited


def _origin(name_spaces: Sequence[NameSpace]) -> dict[str, str]:
    fingerprint = fingerprint_tensors(((names.space, names.embeddings) for names in name_spaces), samples=WHOLE)
    return {
        "names": str(len(name_spaces[0].names)),
        "names_fingerprint": fingerprint,
        **provenance(),
    }
