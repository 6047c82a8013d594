"""Inputs of which there may be any number: sockets that grow, on hosts that have them, or else a fixed number.

Both have the same names, `faces.face_1`, `faces.face_2`, ..., so that prompts and workflows fit both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

MOST, FIXED = 64, 8


def grows() -> bool:
    """Whether this host has sockets that grow."""
    return hasattr(getattr(io, "Autogrow", None), "TemplateNames")


def growing(group: str, socket: io.Input, needed: int = 1) -> list[io.Input]:
    """The inputs of a group for a node's schema.

    Args:
        socket: what each is like; the first is called `group.<its id>_1`.
        needed: how many of them must be connected.
    """
    names = [f"{socket.id}_{number}" for number in range(1, (MOST if grows() else FIXED) + 1)]
    if not grows():
        return [_like(socket, f"{group}.{name}", at >= needed) for at, name in enumerate(names)]
    template = io.Autogrow.TemplateNames(socket, names=names, min=needed)
    return [io.Autogrow.Input(group, template=template, optional=not needed, tooltip=socket.tooltip)]


def grown(group: str, inputs: Mapping[str, Any]) -> list[Any]:
    """The values of a group in the order of its sockets, without None, from what `execute` is given."""
    given = {name: value for name, value in flat(inputs, group).items() if name.startswith(f"{group}.")}
    return [given[name] for name in sorted(given, key=_number) if given[name] is not None]


def flat(inputs: Mapping[str, Any], *groups: str) -> dict[str, Any]:
    """What `execute` is given, by socket: hosts whose sockets grow give a group as one dictionary."""
    single = {name: value for name, value in inputs.items() if name not in groups}
    for group in groups:
        single |= {f"{group}.{name}": value for name, value in (inputs.get(group) or {}).items()}
    return single


def sockets(declared: io.Input) -> list[io.Input]:
    """Those that an input of a schema can grow to; of another input, itself."""
    if not is_growing(declared):
        return [declared]
    template = declared.template  # type: ignore[attr-defined]
    return [_like(one, f"{declared.id}.{one.id}", at >= template.min) for at, one in enumerate(template.get_all())]


def is_growing(declared: io.Input) -> bool:
    return grows() and isinstance(declared, io.Autogrow.Input)


def _like(socket: io.Input, name: str, optional: bool) -> io.Input:
    one = copy.copy(socket)
    one.id, one.optional = name, optional
    return one


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
