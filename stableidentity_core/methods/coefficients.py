"""Celeb-Basis' coefficients as text, for the header of an identity file, whose one tensor are the words."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..shapes import check_shape

KEY = "coefficients"


def pack_coefficients(coefficients: Mapping[str, Tensor]) -> str:
    """{text space: [2, K]} -> JSON of base64 of little-endian float32, first the first word's K numbers."""
    packed = {}
    for space, value in sorted(coefficients.items()):
        check_shape(value, "2 k", f"coefficients of {space}")
        packed[space] = base64.b64encode(value.detach().cpu().float().numpy().astype("<f4").tobytes()).decode()
    return json.dumps(packed, sort_keys=True)


def read_coefficients(header: Mapping[str, str]) -> dict[str, Tensor]:
    """The coefficients {text space: [2, K]} that an identity's header keeps, bit by bit.

    The person's words are the mean of the names plus the coefficients times the components, see `words.basis`.

    Raises:
        StableIdentityError: the header has none, or they are damaged.
    """
    if KEY not in header:
        raise StableIdentityError(
            f"This identity has no coefficients: its method is {header.get('method', 'unknown')}, and only "
            "celeb_basis has them."
        )
    try:
        packed = json.loads(header[KEY])
        found = {space: _numbers(text) for space, text in packed.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise StableIdentityError(
            f"The identity's coefficients are damaged: {error}. Learn the person again."
        ) from error
    return found


def _numbers(text: str) -> Tensor:  # [2, K]
    numbers = torch.from_numpy(np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32))
    if numbers.numel() == 0 or numbers.numel() % 2 or not numbers.isfinite().all():
        raise ValueError(
            f"found {numbers.numel()} numbers, needed two times as many finite ones as there are components"
        )
    return numbers.reshape(2, -1)
