"""A trained projector as it is kept, and making one of any method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..files.json_text import parse_texts, parse_whole
from ..text.names import NameSpace
from .base import METHODS, WORDS, Method, Projector
from .celeb_basis import CelebBasisProjector
from .stableidentity import Normalization, StableIdentityProjector
from .textual_inversion import TextualInversionProjector

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)
PROJECTORS: dict[Method, type[Projector]] = {
    kind.method: kind for kind in (StableIdentityProjector, CelebBasisProjector, TextualInversionProjector)
}


def needs_face(method: Method) -> bool:
    """Whether a method looks at the face encoder's feature; raises StableIdentityError for an unknown one."""
    if method not in PROJECTORS:
        raise StableIdentityError(f"The method is {method!r}, needed one of {METHODS}. Train it again.")
    return PROJECTORS[method].needs_face


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedProjector:
    """A projector's weights and what it takes to use them on another face."""

    state: Mapping[str, Tensor]  # of the method's projector
    feature_width: int
    normalization: Normalization  # of stableidentity; the others have none
    encoder: str  # the face encoder it was trained with
    method: Method = "stableidentity"
    facts: Mapping[str, str] = field(default_factory=dict)  # how it was trained, for the files made with it

    def described(self) -> dict[str, str]:
        """All but the weights, as a file's header takes it."""
        return {
            "feature_width": str(self.feature_width),
            "normalization": self.normalization,
            "encoder": self.encoder,
            "method": self.method,
            "facts": json.dumps(dict(self.facts), sort_keys=True),
        }

    @classmethod
    def read(cls, state: Mapping[str, Tensor], header: Mapping[str, str]) -> TrainedProjector:
        """The inverse of `described`.

        Raises:
            StableIdentityError: the header lacks something or has odd values, or the weights are not its weights.
        """
        projector = cls.of_header(state, header)
        projector._check_state()
        return projector

    @classmethod
    def of_header(cls, state: Mapping[str, Tensor], header: Mapping[str, str]) -> TrainedProjector:
        """The same, without a look at the weights."""
        missing = [key for key in ("feature_width", "normalization", "encoder") if key not in header]
        if missing:
            raise StableIdentityError(f"its header lacks {', '.join(missing)}.")
        method, normalization = header.get("method", METHODS[0]), header["normalization"]  # older files lack the method
        for what, found, known in (("method", method, METHODS), ("normalization", normalization, NORMALIZATIONS)):
            if found not in known:
                raise StableIdentityError(f"its {what} is {found[:40]!r}, needed one of {known}.")
        return cls(
            state=state,
            feature_width=parse_whole(header["feature_width"], "its feature_width"),
            normalization=normalization,  # type: ignore[arg-type]  # checked above
            encoder=header["encoder"],
            method=method,  # type: ignore[arg-type]
            facts=parse_texts(header.get("facts", "{}"), "its facts"),
        )

    def _check_state(self) -> None:
        """Raise unless the weights can be computed with and are of the header's feature width."""
        if not self.state:
            raise StableIdentityError("it holds no weights.")
        for key, value in self.state.items():
            if value.dtype not in FLOATS or not value.isfinite().all():
                raise StableIdentityError(
                    f"{key} is {value.dtype}{' with values that are not finite' if value.dtype in FLOATS else ''}, "
                    f"needed finite values of one of {', '.join(map(str, FLOATS))}."
                )
        widths = {value.shape[1] for value in self.state.values() if value.ndim == 2 and value.numel()}
        if needs_face(self.method) and self.feature_width not in widths:
            raise StableIdentityError(
                f"its header has feature_width {self.feature_width}, its weights have widths {sorted(widths)}."
            )

    def build(self, name_spaces: Sequence[NameSpace]) -> Projector:
        """The projector with these weights.

        StableIdentity takes mean and deviation of the given name spaces; Celeb-Basis needs those of the training.

        Raises:
            StableIdentityError: the weights are of other text spaces or widths, or bound to other names.
        """
        projector = self._untrained(name_spaces)
        own = projector.state_dict()
        exchanged = {key for key in own if key.endswith(projector.of_names)}
        state = {key: own[key] if key in exchanged else self.state.get(key) for key in own}
        unfit = [key for key, value in state.items() if value is None or value.shape != own[key].shape]
        if unfit:
            raise StableIdentityError(
                f"The projector was not trained for {_told(name_spaces)}: {len(unfit)} of its weights do not fit, "
                f"the first is {unfit[0]}. Connect the name space of the CLIP and the names it was trained with."
            )
        for key, value in projector.fixed().items():
            if key not in exchanged and not torch.allclose(value, self.state[key], atol=1e-5):
                raise StableIdentityError(
                    f"The projector's {self.method} was trained with other names than those of {_told(name_spaces)}. "
                    "Its coefficients mean something among those names only: connect the name space of the training."
                )
        projector.load_state_dict(state)
        return projector.requires_grad_(False).eval()

    def _untrained(self, name_spaces: Sequence[NameSpace]) -> Projector:
        match self.method:
            case "stableidentity":
                return StableIdentityProjector(self.feature_width, name_spaces, self.normalization)
            case "celeb_basis":
                return CelebBasisProjector(self.feature_width, name_spaces)
            case "textual_inversion":
                return TextualInversionProjector({ns.space: torch.zeros(WORDS, ns.width) for ns in name_spaces})
        raise StableIdentityError(
            f"The projector's method is {self.method!r}, needed one of {METHODS}. Train it again."
        )


def _told(name_spaces: Sequence[NameSpace]) -> str:
    return ", ".join(f"{ns.space} (width {ns.width}, {len(ns.names)} names)" for ns in name_spaces)
