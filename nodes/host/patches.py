"""What other nodes have added to a MODEL, which a training does not compute with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import WrongModelError

log = get_logger(__name__)


def check_patches(model: Any) -> None:
    """Raise for patches that other nodes have added to the attention, which training would ignore.

    What wraps the whole network is only told of: most of it (caches, compilers) does not change what it computes.
    """
    options = model.model_options.get("transformer_options", {})
    if around := sorted(_around(model, options)):
        log.warning(
            "StableIdentity: MODEL carries what other nodes have put around it (%s). Training ignores that; painting "
            "does not. If it is more than a cache or a compiler, connect MODEL from before those nodes.",
            ", ".join(around),
        )
    patches = options.get("patches", {}) | options.get("patches_replace", {})
    found = sorted(name for name, functions in patches.items() if functions)
    if found:
        raise WrongModelError(
            f"MODEL carries patches of other nodes ({', '.join(found)}: such as FreeU, PAG or IP-Adapter), which "
            "training would ignore. Connect MODEL to the training from before those nodes; LoRAs may stay."
        )


def _around(model: Any, options: Mapping[str, Any]) -> Iterator[str]:
    """Names of what other nodes have put around the network of a host MODEL, or changed of its positions."""
    kinds = (*getattr(model, "wrappers", {}).values(), *options.get("wrappers", {}).values())
    yield from {str(name) for by_name in kinds for name, functions in by_name.items() if functions}
    if model.model_options.get("model_function_wrapper"):
        yield "model_function_wrapper"
    if options.get("rope_options"):
        yield "rope_options"
