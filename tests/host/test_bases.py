"""People learned on SD1.5 and SDXL in the real server, and what SD2's words do in an inpainting graph."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from helpers.prompts import Json, compare, learn, people_in, sample
from helpers.refusal import node
from helpers.world import World
from stableidentity_core.identity import load_identity

SHAPES = {"sd15": {"clip_l": (2, 64)}, "sdxl": {"clip_l": (2, 32), "clip_g": (2, 64)}}


@pytest.fixture(scope="module", params=SHAPES)
def base(request, world: World) -> str:
    """The base's name, with a person of this name learned on it."""
    result = world.server.run(learn(getattr(world, request.param), name=request.param))
    assert result.status == "success", result.error
    assert result.previews
    return request.param


@pytest.fixture(scope="module")
def strangers(world: World) -> None:
    """One person of each base, drawn from its names."""
    for name, folder in {"sd2": world.eps, "sd15": world.sd15, "sdxl": world.sdxl}.items():
        prompt = {
            "trio": node("SITestTinyTrio", folder=str(folder)),
            "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
            "drawn": node("StableIdentitySample", name_space=["names", 0], seed=1, trigger=name),
            "save": node("StableIdentitySave", identity=["drawn", 0], name=f"drawn-{name}", if_exists="replace"),
        }
        result = world.server.run(prompt)
        assert result.status == "success", result.error


def person(name: str) -> Json:
    return node("StableIdentityLoad", name=f"{name}.safetensors", trigger="")


def test_the_file_has_the_words_of_all_text_spaces(world, base):
    identity = load_identity(world.embedding(base))
    assert identity.trigger == "<anna>"
    assert {space: tuple(words.shape) for space, words in identity.words.items()} == SHAPES[base]
    assert float(identity.header["held_out_loss_after"]) != float(identity.header["held_out_loss_before"])
    keys = set(load_file(world.embedding(base)))
    assert keys == ({"<anna>"} if base == "sd15" else {"clip_l", "clip_g"})


@pytest.mark.parametrize("text", ["a photo of {} smiling", "({}:1.3) in the snow", "very long " * 45 + "{} and {}"])
def test_all_three_ways_to_prompt_are_bit_equal(world, base, text):
    """The pooled output of SDXL too."""
    stock = node("CLIPTextEncode", clip=["trio", 1], text=text.format(*[f"embedding:{base}"] * 2))
    ours = text.format("<anna>", "<anna>")
    load = {"identity": person(base)}
    apply = {"applied": node("StableIdentityApply", clip=["trio", 1], identity=["identity", 0], trigger="")}
    ways = [
        (node("StableIdentityEncodePrompt", clip=["trio", 1], text=ours, **people_in(["identity", 0])), load),
        (node("CLIPTextEncode", clip=["applied", 0], text=ours), {**load, **apply}),
    ]
    for way, more in ways:
        result = world.server.run(compare(getattr(world, base), stock, way, more))
        assert result.status == "success", result.error
        assert result.outputs["compare"]["difference"][0] == 0
    nobody = node("CLIPTextEncode", clip=["trio", 1], text=text.format("somebody", "somebody"))
    result = world.server.run(compare(getattr(world, base), stock, nobody))
    assert result.outputs["compare"]["difference"][0] > 1e-3, "the embedding had no effect"


def test_the_two_texts_of_sdxl_both_know_the_person(world, base):
    if base != "sdxl":
        return
    sizes = dict.fromkeys(("width", "height", "target_width", "target_height"), 1024) | {"crop_w": 0, "crop_h": 0}

    def encoded(clip: str, who: str):
        return node("CLIPTextEncodeSDXL", clip=[clip, int(clip == "trio")], text_g=who, text_l=f"a {who}", **sizes)

    more = {
        "identity": person(base),
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["identity", 0], trigger=""),
    }
    result = world.server.run(
        compare(world.sdxl, encoded("trio", "embedding:sdxl"), encoded("applied", "<anna>"), more)
    )
    assert result.status == "success", result.error
    assert result.outputs["compare"]["difference"][0] == 0


def test_a_stock_graph_paints_the_person(world, base):
    def pixels(text: str) -> np.ndarray:
        result = world.server.run(sample(getattr(world, base), text))
        assert result.status == "success", result.error
        return np.asarray(Image.open(io.BytesIO(world.server.view(result.outputs["save"]["images"][0])))).astype(int)

    assert (pixels(f"a photo of embedding:{base}") != pixels("a photo of somebody")).any()


def test_the_same_seed_gives_the_same_file_and_the_store_knows_it(world, base):
    folder = getattr(world, base)
    again = world.server.run(learn(folder, name=base, preview_every=7))
    assert again.status == "success", again.error
    assert not [event for event in again.of("progress") if event.data.get("max") == 12]
    forced = world.server.run(learn(folder, name=f"{base}-forced", force_retrain=True))
    assert forced.status == "success", forced.error
    assert world.embedding(f"{base}-forced").read_bytes() == world.embedding(base).read_bytes()


def test_projector_gives_the_trained_words_for_the_same_face(world, base):
    prompt = learn(getattr(world, base), name=base)
    prompt["project"] = node(
        "StableIdentityProject", face=["encoded", 0], projector=["train", 1], name_space=["names", 0], trigger="anna"
    )
    prompt["save"] = node("StableIdentitySave", identity=["project", 0], name=f"{base}-projected", if_exists="stop")
    prompt["map"] = node("StableIdentityMap", name_space=["names", 0], method="PCA", **people_in(["project", 0]))
    prompt["maps"] = node("PreviewImage", images=["map", 0])
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert len(result.outputs["maps"]["images"]) == len(SHAPES[base]), "one map for each text space"
    assert (
        load_identity(world.embedding(f"{base}-projected")).content_hash
        == load_identity(world.embedding(base)).content_hash
    )


@pytest.mark.parametrize("way", ["StableIdentityApply", "StableIdentityEncodePrompt"])
@pytest.mark.parametrize(
    ("who", "graph", "needed"),
    [
        ("sd15", "sdxl", ("learned for clip_l (width 64)", "SDXL: clip_l (width 32) and clip_g (width 64)")),
        ("sd2", "sdxl", ("learned for clip_h (width 64)", "SDXL: clip_l (width 32) and clip_g (width 64)")),
        ("sdxl", "sd15", ("learned for clip_g (width 64) and clip_l (width 32)", "SD1.x: clip_l (width 64)")),
        ("sd15", "eps", ("learned for clip_l (width 64)", "SD2: clip_h (width 64)")),
    ],
)
def test_a_person_of_another_base(world, bad, strangers, way, who, graph, needed):
    prompt = {"trio": node("SITestTinyTrio", folder=str(getattr(world, graph))), "who": person(f"drawn-{who}")}
    if way == "StableIdentityApply":
        prompt["applied"] = node(way, clip=["trio", 1], identity=["who", 0], trigger="")
        prompt["encoded"] = node("CLIPTextEncode", clip=["applied", 0], text=f"<{who}>")
    else:
        prompt["encoded"] = node(way, clip=["trio", 1], text=f"<{who}>", **people_in(["who", 0]))
    prompt["out"] = node("SITestCompare", a=["encoded", 0], b=["encoded", 0])
    bad.refused(prompt, f"Identity <{who}> was", *needed, "base model it was learned on")


@pytest.mark.parametrize(
    ("graph", "names", "needed"),
    [
        ("sdxl", "sd15", ("'clip_l': 64}", "'clip_l': 32, 'clip_g': 64}", "Connect the same CLIP")),
        ("sd15", "sdxl", ("'clip_l': 32, 'clip_g': 64}", "'clip_l': 64}", "Connect the same CLIP")),
    ],
)
def test_a_name_space_of_another_base(world, bad, graph, names, needed):
    prompt = learn(getattr(world, graph), name="bad")
    prompt["other"] = node("SITestTinyTrio", folder=str(getattr(world, names)))
    prompt["names"]["inputs"]["clip"] = ["other", 1]
    bad.refused(prompt, "The name space was made for", *needed)


def test_people_of_different_bases_do_not_mix(world, bad, strangers):
    prompt = {
        "trio": node("SITestTinyTrio", folder=str(world.sdxl)),
        "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
        "a": person("drawn-sdxl"),
        "b": person("drawn-sd15"),
        "mix": node(
            "StableIdentityMix",
            identity=["a", 0],
            identity_2=["b", 0],
            name_space=["names", 0],
            trigger="mix",
            weight=1.0,
            weight_2=1.0,
        ),
        "save": node("StableIdentitySave", identity=["mix", 0], name="bad", if_exists="stop"),
    }
    bad.refused(prompt, "<sdxl> was learned for clip_g (width 64), clip_l (width 32)", "<sd15> for clip_l (width 64)")


def test_words_of_sd2_in_an_inpainting_graph(world, strangers):
    """Its text side is SD2's own; the UNet takes nine channels, which the stock nodes fill."""
    prompt = sample(world.eps, "a photo of embedding:drawn-sd2")
    prompt["model"] = node("SITestWrongModel", kind="inpainting", folder="")
    prompt["image"] = node("LoadImage", image="astronaut.png")
    prompt["small"] = node(
        "ImageScale", image=["image", 0], upscale_method="bilinear", width=64, height=64, crop="disabled"
    )
    prompt["mask"] = node("SolidMask", value=1.0, width=64, height=64)
    prompt["inpaint"] = node(
        "InpaintModelConditioning",
        positive=["positive", 0],
        negative=["negative", 0],
        vae=["trio", 2],
        pixels=["small", 0],
        mask=["mask", 0],
        noise_mask=True,
    )
    prompt["sampler"]["inputs"] |= {
        "model": ["model", 0],
        "positive": ["inpaint", 0],
        "negative": ["inpaint", 1],
        "latent_image": ["inpaint", 2],
    }
    prompt["who"] = person("drawn-sd2")
    prompt["applied"] = node("StableIdentityApply", clip=["trio", 1], identity=["who", 0], trigger="")
    prompt["ours"] = node("CLIPTextEncode", clip=["applied", 0], text="a photo of <sd2>")
    prompt["compare"] = node("SITestCompare", a=["positive", 0], b=["ours", 0])
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["save"]["images"]
    assert result.outputs["compare"]["difference"][0] == 0
