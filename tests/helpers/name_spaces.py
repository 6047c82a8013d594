"""Name spaces of tiny models."""

from __future__ import annotations

from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.text import NameSpace, build_name_space


def name_space_of(backend: DiffusersBackend, names: tuple[str, ...] | None = None) -> NameSpace:
    (space,) = backend.text_spaces
    return build_name_space(space, names)
