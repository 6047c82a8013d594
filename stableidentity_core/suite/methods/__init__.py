"""Ways of making pictures of people, by the kinds that suite files name. To add one, write a class and list it here."""

from __future__ import annotations

import difflib

from ...errors import StableIdentityError
from ..spec import MethodSpec
from .added import Added
from .base import Method
from .ip_adapter import IpAdapter
from .lora import Lora
from .words import Learned, Named, Projected

KINDS: dict[str, type[Method]] = {kind.kind: kind for kind in (Learned, Projected, Named, Lora, IpAdapter, Added)}


def method_of(spec: MethodSpec) -> Method:
    """The method of an entry of a suite file.

    Raises:
        StableIdentityError: no such kind, or options that it does not take.
    """
    if spec.kind not in KINDS:
        close = difflib.get_close_matches(spec.kind, KINDS, n=1)
        raise StableIdentityError(
            f"The method {spec.name!r} is of the kind {spec.kind!r:.60}, needed one of {', '.join(KINDS)}"
            + (f"; did you mean {close[0]!r}?" if close else ".")
        )
    return KINDS[spec.kind](spec)


def check_method(spec: MethodSpec) -> None:
    """Raises StableIdentityError as `method_of` does."""
    method_of(spec)


__all__ = ["KINDS", "Method", "check_method", "method_of"]
