"""What the keys of methods say of the files that their options name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.spec import MethodSpec


def bench(weight: float = 1.0, width: str = "512", names: tuple[str, ...] = ("Ann", "Ben"), encoder: str = "a") -> Any:
    return SimpleNamespace(
        projector=lambda file: SimpleNamespace(
            state={"weight": torch.full((2, 2), weight)}, described=lambda: {"feature_width": width}
        ),
        names=names,
        people=["a", "b"],
        encoder_name=lambda file: encoder,
    )


@pytest.mark.parametrize(
    ("kind", "options", "change"),
    [
        ("projector", {"projector": "p"}, {"weight": 2.0}),
        ("projector", {"projector": "p"}, {"width": "256"}),
        ("projector", {"encoder": "e"}, {"encoder": "b"}),
        ("learn", {"encoder": "e"}, {"encoder": "b"}),
        ("names", {}, {"names": ("Ben", "Ann")}),
    ],
)
def test_content_of_the_files_of_a_method(kind, options, change):
    method = method_of(MethodSpec(name="m", kind=kind, options=options))
    assert method.content(bench()) == method.content(bench()) != method.content(bench(**change))


def test_a_path_is_no_content():
    here, there = (
        method_of(MethodSpec(name="m", kind="projector", options={"projector": path, "encoder": path}))
        for path in ("here", "there")
    )
    assert here.depends_on() == there.depends_on()
