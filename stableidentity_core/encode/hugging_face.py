"""Building transformers models from weights and a configuration in memory, with transformers' own loader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import StableIdentityError
from .weight_file import WeightFile


def build(
    model_class: Any, config: Any, state: dict[str, Any], file: WeightFile, *, what: str, width: int, **settings: Any
) -> Any:
    """A frozen network in float32; transformers handles the key names of all its versions.

    Args:
        model_class: a transformers model class.
        config: its configuration, with `num_hidden_layers`, `hidden_size` and `num_attention_heads`.
        state: the model's weights.
        file: where they come from.
        what: the network's name for users, such as "ViT".
        width: of the weights, for the message next to the configuration's.

    Raises:
        StableIdentityError: weights are missing, unexpected or do not fit the configuration.
    """
    integer = [key for key, value in state.items() if not value.is_floating_point()]
    if integer:
        raise StableIdentityError(
            f"{file.path} contains {len(integer)} integer weights (e.g. {integer[0]}), needed floating-point ones: "
            "it is quantised or damaged. Download the network as it was published."
        )
    try:
        _check_amount(model_class, config, state, settings)
        network, report = model_class.from_pretrained(
            None, config=config, state_dict=dict(state), output_loading_info=True, **settings
        )
    except (RuntimeError, ValueError, ArithmeticError) as error:  # inconsistent sizes
        raise StableIdentityError(
            f"{file.path} has weights of width {width} that do not fit its config.json ({config.num_hidden_layers} "
            f"layers of width {config.hidden_size}, {config.num_attention_heads} heads). Download both again from the "
            "same source."
        ) from error
    wrong = {kind: sorted(map(str, report[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        counts = ", ".join(f"{len(keys)} {kind.replace('_', ' ')}" for kind, keys in wrong.items())
        example = next(key for keys in wrong.values() for key in keys)
        raise StableIdentityError(
            f"{file.path} is not a complete {what} for {config.num_hidden_layers} layers of width "
            f"{config.hidden_size}: {counts} (e.g. {example}). Download it again."
        )
    return network.float().eval().requires_grad_(False)


def _check_amount(model_class: Any, config: Any, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Raise ValueError, before anything is built, if the configuration's network is far larger than the weights."""
    stored = sum(value.numel() for value in state.values())
    if config.num_hidden_layers <= len(state):
        with torch.device("meta"):
            needed = sum(value.numel() for value in model_class(config, **settings).state_dict().values())
        if needed <= 2 * stored:
            return
    raise ValueError(f"config.json describes a larger network than the {stored:,} parameters in the file")
