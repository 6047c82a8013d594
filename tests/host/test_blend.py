"""Mix, interpolate, sample and map in the real server."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.people import person
from helpers.prompts import people_in
from helpers.refusal import Json, node
from helpers.world import World
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.identity import Identity, load_identity, save_identity
from stableidentity_core.identity.blend import interpolate_identities, mix_identities, sample_identity
from stableidentity_core.text import NameSpace, build_name_space


@pytest.fixture(scope="module")
def names(world: World) -> NameSpace:
    """Of the same tiny text encoder, read by diffusers."""
    backend = load_diffusers(world.eps)
    return build_name_space(backend.text_spaces[0])


def graph(world: World, **more: Json) -> Json:
    return {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
        "anna": person("anna"),
        "bert": person("bert"),
        **more,
    }


def mix(trigger: str = "mix", weight: float = 1.0, weight_2: float = 1.0, **more) -> Json:
    people = {"identity": ["anna", 0], "identity_2": ["bert", 0], "name_space": ["names", 0]}
    return node("StableIdentityMix", **{**people, "trigger": trigger, "weight": weight, "weight_2": weight_2, **more})


def way(t: float = 1.0, steps: int = 3, **more) -> Json:
    people = {"identity": ["anna", 0], "identity_2": ["bert", 0], "name_space": ["names", 0]}
    return node("StableIdentityInterpolate", **{**people, "trigger": "between", "t": t, "steps": steps, **more})


def saved(source: str, name: str) -> Json:
    return node("StableIdentitySave", identity=[source, 0], name=name, if_exists="replace")


def run(world: World, prompt: Json):
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    return result


def loaded(world: World, *people: str) -> list[Identity]:
    return [load_identity(world.embedding(f"bad-{name}")) for name in people]


def close(found: Identity, expected: Identity) -> None:
    """Both computed in float64 from the same names, here and there; one rounding to float32."""
    torch.testing.assert_close(found.words["clip_h"], expected.words["clip_h"], rtol=1e-5, atol=1e-6)


def test_a_mix_is_saved_and_typed_like_any_person(world, people, names):
    made = graph(world, mix=mix(weight=3.0), save=saved("mix", "blend-mix"))
    run(world, made)
    found = load_identity(world.embedding("blend-mix"))
    close(found, mix_identities(loaded(world, "anna", "bert"), [3, 1], [names], "mix"))
    parents = json.loads(found.header["parents"])
    assert [(one["trigger"], one["weight"]) for one in parents] == [("<anna>", 0.75), ("<bert>", 0.25)]
    prompt = {
        **made,
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["mix", 0], trigger=""),
        "ours": node("CLIPTextEncode", clip=["applied", 0], text="<mix> playing chess"),
        "stock": node("CLIPTextEncode", clip=["trio", 1], text="embedding:blend-mix playing chess"),
        "out": node("SITestCompare", a=["ours", 0], b=["stock", 0]),
    }
    assert run(world, prompt).outputs["out"]["difference"] == [0]


def test_a_third_person_counts_only_when_connected(world, people, names):
    three = mix(identity_3=["carl", 0], weight_3=2.0, weight_4=5.0)
    carl = node("StableIdentitySample", name_space=["names", 0], seed=4, trigger="carl")
    run(world, graph(world, carl=carl, mix=three, save=saved("mix", "blend-three")))
    everybody = [*loaded(world, "anna", "bert"), sample_identity([names], 4, "carl")]
    close(load_identity(world.embedding("blend-three")), mix_identities(everybody, [1, 1, 2], [names], "mix"))


def test_prompts_behind_the_way_run_once_for_each_person(world, people, names):
    prompt = graph(
        world,
        way=way(),
        encode=node(
            "StableIdentityEncodePrompt", clip=["trio", 1], text="<between> playing chess", **people_in(["way", 0])
        ),
        anna_alone=node("CLIPTextEncode", clip=["trio", 1], text="embedding:bad-way playing chess"),
        out=node("SITestCompare", a=["encode", 0], b=["anna_alone", 0]),
    )
    middle = interpolate_identities(*loaded(world, "anna", "bert"), 1.0, [names], "way", 3)[1]
    save_identity(middle, world.embedding("bad-way"))
    try:
        first, second, third = run(world, prompt).outputs["out"]["difference"]
    finally:
        world.embedding("bad-way").unlink()
    assert second < 1e-4 < 1e-3 < min(first, third)  # words that are off by 1e-6 at most, through the encoder


def test_everybody_drawn_is_drawn_again_by_the_same_seed(world, names):
    def drawn(seed: int) -> Identity:
        sample = node("StableIdentitySample", name_space=["names", 0], seed=seed, trigger="somebody")
        run(world, {**graph(world, sample=sample, save=saved("sample", "blend-drawn"))})
        return load_identity(world.embedding("blend-drawn"))

    close(drawn(7), sample_identity([names], 7, "somebody"))
    assert drawn(8).content_hash != drawn(7).content_hash


def test_the_map_shows_single_people_and_lists_in_one_picture(world, people):
    inputs = people_in(["anna", 0], ["way", 0])
    prompt = graph(
        world,
        way=way(steps=4),
        map=node("StableIdentityMap", name_space=["names", 0], method="PCA", **inputs),
        picture=node("PreviewImage", images=["map", 0]),
        table=node("PreviewAny", source=["map", 1]),
    )
    result = run(world, prompt)
    (shown,) = result.outputs["picture"]["images"]
    picture = np.asarray(Image.open(io.BytesIO(world.server.view(shown))))
    assert picture.shape[1:] == (1344, 3) and picture.std() > 10
    (table,) = result.outputs["table"]["text"]
    assert [line.split("|")[1].strip() for line in table.splitlines()[3:8]] == [
        "anna",
        *(f"between {number}" for number in range(1, 5)),
    ]
    for name in inputs:
        del prompt["map"]["inputs"][name]
    (names_only,) = run(world, prompt).outputs["picture"]["images"]
    assert np.asarray(Image.open(io.BytesIO(world.server.view(names_only)))).shape[0] == picture.shape[0] - 5 * 30


def test_people_of_different_bases(world, bad, people):
    words = {"clip_l": torch.randn(2, 768)}
    save_identity(Identity(trigger="carl", words=words), world.embedding("bad-carl"))
    try:
        for key, made in {
            "mix": mix(identity_2=["carl", 0]),
            "way": way(identity_2=["carl", 0]),
        }.items():
            prompt = graph(world, carl=person("carl"), **{key: made}, save=saved(key, "bad"))
            bad.refused(prompt, "<anna>", "clip_h (width 64)", "<carl>", "clip_l (width 768)", "different base models")
        drawn = node("StableIdentityMap", name_space=["names", 0], method="PCA", **people_in(["carl", 0]))
        prompt = graph(world, carl=person("carl"), map=drawn, shown=node("PreviewImage", images=["map", 0]))
        bad.refused(
            prompt, "<carl>", "clip_l (width 768)", "name space is for clip_h (width 64)", "Celebrity Name Space"
        )
    finally:
        world.embedding("bad-carl").unlink()


def test_weights_that_are_no_proportions(world, bad, people):
    bad.refused(graph(world, mix=mix(weight=0.0, weight_2=0.0), save=saved("mix", "bad")), "All weights are 0 (0, 0)")
    nan = mix(weight=["number", 0])
    number = node("PrimitiveFloat", value=float("nan"))
    prompt = graph(world, number=number, mix=nan, save=saved("mix", "bad"))
    bad.refused(prompt, "got nan at its input 'weight'", "from 0.0 to 100.0")
    too_low = graph(world, mix=mix(weight=-1.0), save=saved("mix", "bad"))
    bad.refused(too_low, "-1", "smaller than min of 0", by="the schema")


def test_a_way_beyond_its_ends(world, bad, people):
    bad.refused(graph(world, way=way(t=1.5), save=saved("way", "bad")), "bigger than max of 1", by="the schema")
    linked = graph(world, number=node("PrimitiveFloat", value=1.5), way=way(t=["number", 0]), save=saved("way", "bad"))
    bad.refused(linked, "got 1.5 at its input 't'", "from 0.0 to 1.0")


@pytest.mark.parametrize("made", [mix(trigger="a b"), way(trigger="a b")])
def test_triggers_that_a_prompt_cannot_hold(world, bad, people, made):
    bad.refused(graph(world, made=made, save=saved("made", "bad")), "'a b'", "1 to 64 letters", by="our check")
