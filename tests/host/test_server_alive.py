"""The pack inside a real server: every node is there and explains itself."""

from __future__ import annotations

import pytest

from helpers.server import PACK, ComfyServer
from stableidentity_core.comfyui import Json

NODES = (
    "StableIdentityLoadFaceEncoder",
    "StableIdentityPrepareFace",
    "StableIdentityEncodeFace",
    "StableIdentityNameSpace",
    "StableIdentityTrain",
    "StableIdentityProject",
    "StableIdentityApply",
    "StableIdentityEncodePrompt",
    "StableIdentitySave",
    "StableIdentityLoad",
    "StableIdentityMiniWorld",
    "StableIdentityMiniWorldPerson",
    "StableIdentityMix",
    "StableIdentityInterpolate",
    "StableIdentitySample",
    "StableIdentityMap",
    "StableIdentityLoadVideoModel",
    "StableIdentityEmptyVideoLatent",
    "StableIdentityVideoWindows",
    "StableIdentityChannelOrder",
    "StableIdentityTemporalScore",
    "StableIdentityPeople",
    "StableIdentityPick",
)


@pytest.fixture(scope="module")
def ours(server: ComfyServer) -> dict[str, Json]:
    return {name: info for name, info in server.object_info().items() if name.startswith("StableIdentity")}


def inputs_of(info: Json) -> dict[str, Json]:
    """Options of each visible input by name."""
    groups = [info["input"].get(group) or {} for group in ("required", "optional")]
    return {name: (list(spec) + [{}])[1] for group in groups for name, spec in group.items()}


def undocumented_outputs(info: Json) -> list[str]:
    tooltips = list(info.get("output_tooltips") or [])
    tooltips += [None] * (len(info["output"]) - len(tooltips))
    return [name for name, tooltip in zip(info["output_name"], tooltips, strict=True) if not tooltip]


def test_server_answers(server: ComfyServer) -> None:
    assert "KSampler" in server.object_info()
    assert server.object_info("NoSuchNode") == {}


def test_pack_is_imported_whole(server: ComfyServer, ours: dict[str, Json]) -> None:
    missing = set(NODES) - set(ours)
    assert not missing, f"{len(ours)} of our nodes are registered, {sorted(missing)} are not:\n{server.log_tail()}"
    assert "IMPORT FAILED" not in server.log_tail(lines=10_000)


def test_every_node_is_documented(ours: dict[str, Json]) -> None:
    silent = []
    for name, info in ours.items():
        silent += [f"{name} input {key}" for key, options in inputs_of(info).items() if not options.get("tooltip")]
        silent += [f"{name} output {key}" for key in undocumented_outputs(info)]
        silent += [f"{name} description"] * (not info["description"])
    assert ours and not silent


def test_one_menu_with_submenus_in_the_order_of_use(ours: dict[str, Json]) -> None:
    steps = ("Photo", "Learn", "Use", "People", "Video", "Head", "Measure", "Demo")
    menus = {f"StableIdentity/{number} {step}" for number, step in enumerate(steps, 1)}
    assert {info["category"] for info in ours.values()} == menus


def test_help_pages_are_served(server: ComfyServer, ours: dict[str, Json]) -> None:
    pages = {name: server.fetch(f"/extensions/{PACK}/docs/{name}.md") for name in {*NODES, *ours}}
    assert {name: status for name, (status, _) in pages.items() if status != 200} == {}
    assert [name for name, (_, text) in pages.items() if not text.strip()] == []
