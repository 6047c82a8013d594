"""The pack's errors by the name that a user reads."""

from __future__ import annotations

import pickle
import traceback

import pytest

from stableidentity_core import errors
from stableidentity_core.errors import StableIdentityError

KINDS = [kind for name, kind in vars(errors).items() if name.endswith("Error")]


class ElsewhereError(StableIdentityError):
    """One that another module defines."""


def host_name(kind: type) -> str:
    """What the host sends to the browser, as its `full_type_name` computes it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@pytest.mark.parametrize("kind", [*KINDS, ElsewhereError])
def test_an_error_is_called_by_its_class_alone(kind):
    assert host_name(kind) == kind.__name__
    assert traceback.format_exception_only(kind("no face"))[-1] == f"{kind.__name__}: no face\n"


@pytest.mark.parametrize("kind", [*KINDS, ElsewhereError])
@pytest.mark.parametrize("args", [(), ("no face",), (2, "no such file")])
def test_an_error_is_pickled_whole(kind, args):
    error = kind(*args)
    error.photo = "anna.jpg"
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind and back.args == error.args and back.photo == "anna.jpg" and str(back) == str(error)
