"""The methods by their names. To add one, write its file and its row here."""

from __future__ import annotations

from ..errors import StableIdentityError
from .base import Projector
from .celeb_basis import CelebBasisProjector
from .settings import Setting
from .stableidentity import StableIdentityProjector
from .textual_inversion import TextualInversionProjector

METHODS: dict[str, type[Projector]] = {
    kind.method: kind for kind in (StableIdentityProjector, CelebBasisProjector, TextualInversionProjector)
}
DEFAULT = StableIdentityProjector.method


def get_method(name: str) -> type[Projector]:
    """The method of this name.

    Raises:
        StableIdentityError: there is none.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise StableIdentityError(f"method is {name!r:.60}, needed one of {', '.join(METHODS)}.")
    return METHODS[name]


def methods_with_a_face() -> str:
    """The methods that look at a face's feature, in words."""
    return " or ".join(name for name, kind in METHODS.items() if kind.needs_face)


def all_settings() -> dict[str, Setting]:
    """The own settings of all methods, by name."""
    return {setting.name: setting for kind in METHODS.values() for setting in kind.settings}
