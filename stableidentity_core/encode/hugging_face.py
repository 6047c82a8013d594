"""Networks of transformers from weights and a configuration at hand, through its own loader."""

from __future__ import annotations

from typing import Any

from ..errors import StableIdentityError
from .weight_file import WeightFile


def build(
    model_class: Any, config: Any, state: dict[str, Any], file: WeightFile, *, what: str, width: int, **settings: Any
) -> Any:
    """A frozen network in float32; transformers knows the key names of all its versions.

    Args:
        model_class: of transformers.
        config: its configuration, with `num_hidden_layers`, `hidden_size` and `num_attention_heads`.
        state: the weights that belong to it.
        file: where they come from.
        what: the network as a user knows it, such as "ViT".
        width: of the weights, to tell beside the configuration's.

    Raises:
        StableIdentityError: weights that are missing, left over or do not fit the configuration.
    """
    try:
        network, report = model_class.from_pretrained(
            None, config=config, state_dict=dict(state), output_loading_info=True, **settings
        )
    except (RuntimeError, ValueError) as error:  # shapes that do not fit config.json, or heads that do not fit a width
        raise StableIdentityError(
            f"{file.path} holds weights of width {width} that do not fit its config.json ({config.num_hidden_layers} "
            f"layers of width {config.hidden_size}, {config.num_attention_heads} heads). Download both again, from one "
            "place."
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
