"""Fields read from a face encoder's config.json, such as sizes, with a check of type and range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DamagedFileError

LARGEST = 65536  # for a size; the largest published networks have less than a tenth


class Field(NamedTuple):
    fits: Callable[[Any], bool]
    needed: str


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST


def _is_activation(value: Any) -> bool:
    from transformers.activations import ACT2FN

    return isinstance(value, str) and value in ACT2FN


COUNT = Field(_is_count, f"an integer from 1 to {LARGEST:,}")
OBJECT = Field(lambda value: isinstance(value, dict), "an object")
FLAG = Field(lambda value: isinstance(value, bool), "true or false")
EPSILON = Field(lambda value: isinstance(value, float) and 0 < value < 1, "a number between 0 and 1")
ACTIVATION = Field(_is_activation, "an activation that transformers knows, such as gelu")
RGB = Field(lambda value: _is_count(value) and value == 3, "3: the pictures are RGB")

# Fields of a vision transformer, by the names that all versions of transformers use.
VISION = {
    "hidden_size": COUNT,
    "num_hidden_layers": COUNT,
    "num_attention_heads": COUNT,
    "intermediate_size": COUNT,
    "image_size": COUNT,
    "patch_size": COUNT,
    "num_channels": RGB,
    "hidden_act": ACTIVATION,
    "layer_norm_eps": EPSILON,
}


def checked_fields(config: Mapping[str, Any], fields: Mapping[str, Field], path: Path) -> dict[str, Any]:
    """The named fields that are present, checked; others, such as training settings, are ignored.

    Raises:
        DamagedFileError: a field has the wrong type or is out of range; the message names it.
    """
    found = {}
    for name, field in fields.items():
        value = config.get(name)
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            value = value[0]  # height and width of a square
        if value is None:
            continue
        if not field.fits(value):
            raise DamagedFileError(
                f"{path} cannot be read as the configuration of a network: {name} is {value!r:.80}, needed "
                f"{field.needed}. Download it again from the source of the weights."
            )
        found[name] = value
    return found


def three_numbers(value: Any) -> bool:
    """Whether a value is three finite numbers, one each for red, green and blue."""
    return isinstance(value, list | tuple) and len(value) == 3 and all(_is_number(number) for number in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
