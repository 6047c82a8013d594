"""Checks of what reaches a node by a link: the host only compares type names, which wildcard outputs bypass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.files.torch_file import tensor_problem
from ..stableidentity_core.head3d import HeadSettings
from ..stableidentity_core.identity import Identity
from ..stableidentity_core.methods import TrainedProjector
from ..stableidentity_core.suite.scored import PictureScores
from ..stableidentity_core.text import NameSpace
from .growing import flat, is_growing, sockets
from .host.splats import is_splat
from .types import (
    FaceEncoderType,
    FaceType,
    HeadSettingsType,
    IdentityType,
    NameSpaceType,
    ProjectorType,
    ScoresType,
    SplatType,
)

Check = Callable[[Any], bool]


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0 and tensor_problem(value) is None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _tuple_of(kind: type) -> Check:
    return lambda value: isinstance(value, tuple) and all(isinstance(one, kind) for one in value)


def _has(name: str) -> Check:
    """For the host's objects, which differ between versions. The nodes themselves report a None."""
    return lambda value: value is None or hasattr(value, name)


NEEDED: dict[str, tuple[Check, str]] = {
    "IMAGE": (_is_plain, "an image: a dense tensor of numbers"),
    "MASK": (_is_plain, "a mask: a dense tensor of numbers"),
    "STRING": (_is_text, "text without lone surrogates"),
    "COMBO": (_is_text, "one of the choices"),
    "BOOLEAN": (lambda value: isinstance(value, bool | int), "true or false"),
    "INT": (lambda value: isinstance(value, int), "a whole number"),
    "FLOAT": (lambda value: isinstance(value, int | float), "a number"),
    "MODEL": (_has("get_model_object"), "a diffusion model"),
    "CLIP": (_has("cond_stage_model"), "a text encoder"),
    "VAE": (_has("first_stage_model"), "a VAE"),
    "CLIP_VISION": (lambda value: hasattr(value, "encode_image"), "a CLIP vision model"),
    FaceEncoderType.io_type: (lambda value: callable(value) and hasattr(value, "width"), "a face encoder"),
    FaceType.io_type: (_tuple_of(Face), "a face, such as from Prepare Face"),
    NameSpaceType.io_type: (_tuple_of(NameSpace), "a name space, such as from Celebrity Name Space"),
    ProjectorType.io_type: (lambda value: isinstance(value, TrainedProjector), "a projector"),
    IdentityType.io_type: (lambda value: isinstance(value, Identity), "an identity, such as from Load Identity"),
    HeadSettingsType.io_type: (lambda value: isinstance(value, HeadSettings), "settings, from Head 3D Settings"),
    SplatType.io_type: (is_splat, "a splat, such as from Head 3D"),
    ScoresType.io_type: (lambda value: isinstance(value, PictureScores), "scores, from Score Pictures"),
}


def guarded(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """Make the node's `execute` check the type and range of its inputs first.

    It raises StableIdentityError, naming the node, the input, what was found and what was needed.
    """
    execute = node.execute.__func__  # type: ignore[attr-defined]

    @functools.wraps(execute)
    def checked(cls: type[io.ComfyNode], *values: Any, **inputs: Any) -> Any:
        check_inputs(node.GET_SCHEMA(), inputs)
        return execute(cls, *values, **inputs)

    node.execute = classmethod(checked)  # type: ignore[method-assign,assignment]
    return node


def check_inputs(schema: io.Schema, inputs: dict[str, Any]) -> None:
    """Raise StableIdentityError unless each given input has the right type and lies within its range."""
    inputs = flat(inputs, *(declared.id for declared in schema.inputs if is_growing(declared)))
    for widget in (socket for declared in schema.inputs for socket in sockets(declared)):
        given = inputs.get(widget.id) if schema.is_input_list else [inputs[widget.id]] if widget.id in inputs else []
        for value in given or []:
            open_socket = value is None and widget.optional and _default(widget) is None
            needed = None if open_socket else _needed(widget, value)
            if needed:
                raise StableIdentityError(
                    f"{schema.display_name} got {_describe(value)} at its input {widget.id!r}, needed {needed}. "
                    "Change it, or check what is connected there."
                )


def _needed(widget: io.Input, value: Any) -> str | None:
    """What the input needs, or None if the value fits."""
    fits, needed = NEEDED.get(widget.get_io_type(), (lambda _value: True, ""))
    if not fits(value):
        return needed
    options = getattr(widget, "options", None)
    if options and _default(widget) is not None and value not in options:  # a list of files has no default
        return f"one of {', '.join(map(str, options))}"
    low, high = getattr(widget, "min", None), getattr(widget, "max", None)
    if low is not None and high is not None and not low <= value <= high:
        return f"{needed} from {low} to {high}"
    return None


def _default(widget: io.Input) -> Any:
    return getattr(widget, "default", None)


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        problem = tensor_problem(value)
        return f"a tensor {list(value.shape)}{f', which is {problem}' if problem else ''}"
    if value is None:
        return "nothing"
    return repr(value)[:80] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
