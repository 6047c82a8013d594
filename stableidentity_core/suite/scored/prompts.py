"""Prompts as they are measured: the person as a slot, without weights."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import StableIdentityError
from ...text.prompts import SLOT

_EMBEDDING = r"embedding:[^\s,()<>]+"
_ANYBODY = re.compile(rf"(?:embedding:\s*)?<[A-Za-z0-9_.-]{{1,64}}>|{_EMBEDDING}")
_WEIGHTED = re.compile(r"(?<!\\)\(([^()]*?)(?::\s*[\d.]+\s*)?(?<!\\)\)")
_SPACES = re.compile(r"\s+")


def with_slot(prompt: str, name: str = "") -> str:
    """A prompt with `{}` in place of the person, and without weights: `a photo of (<anna>:1.2)` -> `a photo of {}`.

    Args:
        name: what stands for the person besides `<anna>` and `embedding:anna`, such as the name of a celebrity.
    """
    plain = prompt.replace("{", "").replace("}", "")
    while (without := _WEIGHTED.sub(r"\1", plain)) != plain:
        plain = without
    plain = _ANYBODY.sub(f" {SLOT} ", plain)
    if name.strip():
        plain = re.sub(rf"(?<!\w){re.escape(name.strip())}(?!\w)", SLOT, plain, flags=re.IGNORECASE)
    plain = _SPACES.sub(" ", plain.replace(r"\(", "(").replace(r"\)", ")")).strip()
    return re.sub(rf"({re.escape(SLOT)}) (?=[,.;:!?'])", r"\1", plain)


def prompts_of_pictures(prompts: Sequence[str], batches: Sequence[int]) -> list[str]:
    """The prompt of each picture.

    Args:
        prompts: P of them, in the order in which they were painted.
        batches: numbers of pictures: one for each prompt, or of all together, with as many of each prompt.

    Raises:
        StableIdentityError: no or an empty prompt, no picture, or numbers that do not fit.
    """
    pictures = sum(batches)
    if empty := next((number for number, prompt in enumerate(prompts, 1) if not prompt.strip()), None):
        raise StableIdentityError(f"Prompt {empty} of {len(prompts)} is empty. Type what its picture was made with.")
    if not prompts or not pictures:
        raise StableIdentityError(
            f"There are {pictures} pictures and {len(prompts)} prompts, needed at least one of each. Connect the list "
            "of prompts and the pictures that were made with it."
        )
    if len(batches) == len(prompts):
        return [prompt for prompt, count in zip(prompts, batches, strict=True) for _one in range(count)]
    if pictures % len(prompts):
        raise StableIdentityError(
            f"There are {pictures} pictures and {len(prompts)} prompts, needed one picture of each prompt, or as many "
            "of each. Connect the same list of prompts that the sampler was given."
        )
    return [prompt for prompt in prompts for _one in range(pictures // len(prompts))]
