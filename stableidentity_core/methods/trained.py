"""A trained projector: its weights and the description in its file's header."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..files.json_text import parse_texts, parse_whole
from ..text.names import NameSpace
from .base import Projector
from .registry import DEFAULT, METHODS, get_method
from .settings import complete

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
# Readers of the first version of the format ask for it in the file of every method.
_FIRST_VERSION = {"normalization": "per_word"}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedProjector:
    """A projector's weights and everything needed to use them on another face."""

    state: Mapping[str, Tensor]  # of the method's projector
    feature_width: int
    encoder: str  # the face encoder it was trained with
    method: str = DEFAULT
    settings: Mapping[str, Any] = field(default_factory=dict)  # the method's own; by default its defaults
    facts: Mapping[str, str] = field(default_factory=dict)  # how it was trained, for the files made with it

    def __post_init__(self):
        own = get_method(self.method).settings
        object.__setattr__(self, "settings", complete(own, self.settings, self.method))

    def described(self) -> dict[str, str]:
        """All but the weights, as a file's header takes it."""
        return {
            "feature_width": str(self.feature_width),
            **_FIRST_VERSION,
            **{name: str(value) for name, value in self.settings.items()},
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
        name = header.get("method", DEFAULT)  # older files lack it
        if name not in METHODS:
            raise StableIdentityError(f"its method is {name[:40]!r}, needed one of {', '.join(METHODS)}.")
        own = METHODS[name].settings
        missing = [key for key in ("feature_width", "encoder", *(one.name for one in own)) if key not in header]
        if missing:
            raise StableIdentityError(f"its header lacks {', '.join(missing)}.")
        return cls(
            state=state,
            feature_width=parse_whole(header["feature_width"], "its feature_width"),
            encoder=header["encoder"],
            method=name,
            settings={one.name: one.read(header[one.name]) for one in own},
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
        if get_method(self.method).needs_face and self.feature_width not in widths:
            raise StableIdentityError(
                f"its header has feature_width {self.feature_width}, its weights have widths {sorted(widths)}."
            )

    def build(self, name_spaces: Sequence[NameSpace]) -> Projector:
        """The projector with these weights.

        StableIdentity takes mean and deviation of the given name spaces; Celeb-Basis needs those of the training.

        Raises:
            StableIdentityError: the weights are of other text spaces or widths, or bound to other names.
        """
        projector = get_method(self.method).empty(self.feature_width, name_spaces, self.settings)
        own = projector.state_dict()
        exchanged = {key for key in own if key.endswith(projector.of_names)}
        state = {key: own[key] if key in exchanged else self.state.get(key) for key in own}
        unfit = [key for key, value in state.items() if value is None or value.shape != own[key].shape]
        if unfit:
            raise StableIdentityError(
                f"The projector was not trained for {_describe(name_spaces)}: {len(unfit)} of its weights do not fit, "
                f"the first is {unfit[0]}. Connect the name space of the CLIP and the names it was trained with."
            )
        for key, value in projector.fixed().items():
            if key not in exchanged and not torch.allclose(value, self.state[key], atol=1e-5):
                raise StableIdentityError(
                    f"The projector's {self.method} was trained with other names than those of "
                    f"{_describe(name_spaces)}. Its coefficients mean something only among the names of its training: "
                    "connect that name space."
                )
        projector.load_state_dict(state)
        return projector.requires_grad_(False).eval()


def _describe(name_spaces: Sequence[NameSpace]) -> str:
    return ", ".join(f"{ns.space} (width {ns.width}, {len(ns.names)} names)" for ns in name_spaces)
