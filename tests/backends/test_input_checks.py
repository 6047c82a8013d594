"""What reaches nodes by links from nodes that give anything: of the right type and range, or a sentence."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
import pytest
import torch

from helpers.make import rand
from helpers.pack import PACK, pack_module

pytestmark = pytest.mark.host

PICTURE = rand(1, 16, 16, 3)
ODD: list[Any] = [None, "x", "\ud800", "a\0b", "x" * 5000, 5, -1, 10**30, 1.5, float("nan"), float("inf"), [1], {}]
ODD += [torch.tensor(1.0), PICTURE[0, 0, 0], PICTURE[:0], PICTURE[:, :0], PICTURE[..., :1], PICTURE[..., :2]]
ODD += [PICTURE.to(torch.complex64), PICTURE.to_sparse(), PICTURE.to("meta"), PICTURE.numpy(), np.float32(1)]
ODD += [PICTURE * float("nan"), -PICTURE, PICTURE.double(), PICTURE.to(torch.float8_e4m3fn), PICTURE > 0]
# Others train, save, or fetch; what they do with values that are let in has tests of its own.
RUN = ("ChannelOrder", "EmptyVideoLatent", "TemporalScore", "EncodeFace", "FaceSimilarity", "ClipVisionFaceEncoder")
RUN += ("VideoContextWindows", "MapIdentities", "DrawPerson", "LoadFaceEncoder", "LoadVideoModel", "LoadProjector")
RUN += ("PickIdentity", "SampleIdentity", "CelebrityNameSpace", "PrepareFolder", "PrepareFace")


@pytest.fixture(scope="module")
def errors(comfyui):
    return pack_module("stableidentity_core.errors", comfyui)


def inputs_of(node: Any) -> list[Any]:
    """Of sockets that grow, only the first two: the others are like the second."""
    growing = sys.modules[f"{PACK}.nodes.growing"]
    return [one for declared in node.GET_SCHEMA().inputs for one in growing.sockets(declared)[:2]]


def good_values(node: Any) -> dict[str, Any]:
    """Something for each input: the widget's own value, pictures, and for the rest nothing."""
    schema, values = node.GET_SCHEMA(), {}
    for widget in inputs_of(node):
        value = {"IMAGE": PICTURE, "MASK": PICTURE[..., 0]}.get(widget.get_io_type(), getattr(widget, "default", None))
        values[widget.id] = [value] if schema.is_input_list else value
    return values


@pytest.mark.parametrize("name", RUN)
def test_a_value_of_any_kind_at_each_input(nodes, errors, name):
    node = next(node for node in nodes.NODES if node.__name__ == name)
    refused = 0
    for widget in inputs_of(node):
        for value in ODD:
            given = [value] if node.GET_SCHEMA().is_input_list else value
            try:
                node.execute(**{**good_values(node), widget.id: given})
            except errors.StableIdentityError as error:
                refused += 1
                assert str(error).replace("\n", "").isprintable() and len(str(error)) < 2000
    assert refused > len(ODD) // 2


def test_every_input_of_every_node_is_judged(nodes):
    """A type that the table does not know would pass by it."""
    checks = sys.modules[nodes.guarded.__module__]
    for node in nodes.NODES:
        assert node.execute.__func__.__wrapped__, node
        for widget in inputs_of(node):
            assert widget.get_io_type() in {*checks.NEEDED, "CONDITIONING", "LATENT"}, widget.id
            assert widget.id in inspect.signature(node.execute).parameters or _takes_any(node), widget.id


def _takes_any(node: Any) -> bool:
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(node.execute).parameters.values())


@pytest.mark.parametrize(
    "value,said",
    [(0, "got 0"), (4097, "needed a whole number from 1 to 4096"), ("3", "got '3'"), (None, "got nothing")],
)
def test_node_input_value_and_range_are_in_the_sentence(nodes, errors, value, said):
    with pytest.raises(errors.StableIdentityError, match=r"Pick Identity got .* at its input 'number', needed") as told:
        nodes.PickIdentity.execute(identity=[], number=[value])
    assert said in str(told.value)
