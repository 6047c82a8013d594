"""Sockets that grow: the same names and values on hosts that have them and on those that have not."""

from __future__ import annotations

import re

import pytest

from helpers.pack import pack_module

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def growing(comfyui):
    return pack_module("nodes.growing", comfyui)


@pytest.fixture(params=["this host", "older host"])
def inputs(request, growing, monkeypatch):
    """The group that a node declares, and the module."""
    if request.param == "older host":
        monkeypatch.setattr(growing, "grows", lambda: False)
    elif not growing.grows():
        pytest.skip("this host has no growing sockets")
    return lambda needed: growing.growing("faces", growing.io.Custom("FACE").Input("face", tooltip="One."), needed)


@pytest.mark.parametrize("needed", [0, 1])
def test_each_socket_has_the_same_name_on_both_hosts(growing, inputs, needed):
    sockets = [one for declared in inputs(needed) for one in growing.sockets(declared)]
    assert [one.id for one in sockets[:8]] == [f"faces.face_{number}" for number in range(1, 9)]
    assert [one.optional for one in sockets[:3]] == [needed == 0, True, True]
    assert {one.get_io_type() for one in sockets} == {"FACE"} and {one.tooltip for one in sockets} == {"One."}


@pytest.mark.parametrize(
    "given",
    [
        {"faces": {"face_2": "b", "face_10": "d", "face_9": "c", "face_1": "a", "face_3": None}, "trigger": "x"},
        {"faces.face_10": "d", "faces.face_1": "a", "faces.face_9": "c", "faces.face_2": "b", "trigger": "x"},
    ],
)
def test_values_come_in_the_order_of_the_sockets(growing, given):
    assert growing.grown("faces", given) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("given", [{}, {"faces": {}}, {"faces": None}, {"trigger": "x"}])
def test_a_group_without_links_is_empty(growing, given):
    assert growing.grown("faces", given) == []


@pytest.mark.parametrize("given", [{"faces": {"face_2": [3]}}, {"faces.face_2": [3]}])
def test_what_reaches_a_grown_socket_is_judged(nodes, given):
    people = next(node for node in nodes.NODES if node.__name__ == "SeveralPeople")
    with pytest.raises(Exception, match=re.escape("got 3 at its input 'faces.face_2', needed a face")):
        people.execute(trigger=[""], **given)


@pytest.mark.parametrize(("typed", "said"), [("", ["person-1", "person-2"]), ("anna, ben", ["anna", "ben"])])
def test_people_without_names_are_numbered(nodes, typed, said):
    people = next(node for node in nodes.NODES if node.__name__ == "SeveralPeople")
    faces, triggers = people.execute(trigger=[typed], faces={"face_1": [()], "face_2": [()]}).args
    assert (faces, triggers) == ([(), ()], said)
