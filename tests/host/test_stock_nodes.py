"""What our loaders give goes into stock nodes as what the stock loaders give does."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from helpers.prompts import Json, node
from helpers.tiny import tiny_video_unet
from helpers.world import World
from stableidentity_core.identity import Identity, save_identity

PERSON, VIDEO = "stock-nodes-person", "stock_nodes.safetensors"
FILE = {"filename_prefix": "stock_nodes"}
KINDS = ("MODEL", "CLIP", "VAE")

# Stock nodes and what is not the default of their widgets; of those that a host lacks it is not asked.
NODES: dict[str, Mapping[str, Json]] = {
    "MODEL": {
        "BasicGuider": {},
        "BasicScheduler": {},
        "CFGGuider": {},
        "CheckpointSave": FILE,
        "DifferentialDiffusion": {},
        "DualCFGGuider": {},
        "DualModelGuider": {},
        "EasyCache": {},
        "FreSca": {},
        "FreeU": {},
        "FreeU_V2": {},
        "HyperTile": {},
        "KSamplerAdvanced": {"steps": 1},
        "Mahiro": {},
        "ModelComputeDtype": {"dtype": "fp32"},
        "ModelMergeAdd": {},
        "ModelMergeBlocks": {},
        "ModelMergeSD2": {},
        "ModelMergeSimple": {},
        "ModelMergeSubtract": {},
        "ModelSamplingContinuousEDM": {},
        "ModelSamplingDiscrete": {},
        "ModelSave": FILE,
        "PatchModelAddDownscale": {},
        "PerpNegGuider": {},
        "PerturbedAttentionGuidance": {},
        "RescaleCFG": {},
        "SamplerCustom": {},
        "SamplerCustomAdvanced": {},
        "SelectModelDevice": {},
        "SelfAttentionGuidance": {},
        "TomePatchModel": {},
        "UNetCrossAttentionMultiply": {},
        "UNetSelfAttentionMultiply": {},
    },
    "CLIP": {
        "CLIPAttentionMultiply": {},
        "CLIPMergeAdd": {},
        "CLIPMergeSimple": {},
        "CLIPMergeSubtract": {},
        "CLIPSave": FILE,
        "CLIPSetLastLayer": {"stop_at_clip_layer": -2},
        "CLIPTextEncode": {},
        "CLIPTextEncodeControlnet": {},
        "SelectCLIPDevice": {},
        "SetClipHooks": {"apply_to_conds": True, "schedule_clip": True},
        "T5TokenizerOptions": {},
    },
    "VAE": {
        "InpaintModelConditioning": {},
        "SelectVAEDevice": {},
        "VAEDecode": {},
        "VAEDecodeTiled": {},
        "VAEEncode": {},
        "VAEEncodeForInpaint": {},
        "VAEEncodeTiled": {},
        "VAESave": FILE,
    },
}


@pytest.fixture(scope="module")
def stock(world: World) -> Iterator[World]:
    """The world with a person of the mini world for triggers, and a video model."""
    words = torch.randn(2, 128, generator=torch.Generator().manual_seed(1)) * 0.1
    save_identity(Identity(trigger="anna", words={"clip_h": words}), world.embedding(PERSON))
    video = world.server.models / "text2video" / VIDEO
    video.parent.mkdir(parents=True, exist_ok=True)
    save_file(tiny_video_unet().state_dict(), video)
    yield world
    world.embedding(PERSON).unlink()
    video.unlink()


def sources(world: World, which: str) -> Json:
    """A node for each type of input: `mini` of the mini world, `video` a clip's MODEL, `applied` its CLIP."""
    mini = node("StableIdentityMiniWorld")
    trio = node("SITestTinyTrio", folder=str(world.eps)) if which == "video" else mini
    prompt = {"MODEL": trio, "trio": trio, "VAE": trio}
    prompt["CLIP"] = prompt["trio"]
    side, frames, trigger = 128, 1, ""
    if which == "video":
        prompt["MODEL"] = node("StableIdentityLoadVideoModel", model_name=VIDEO, weight_dtype="default")
        side, frames = 64, 2
    if which == "applied":
        prompt["person"] = node("StableIdentityLoad", name=f"{PERSON}.safetensors", trigger="")
        prompt["CLIP"] = node("StableIdentityApply", clip=["trio", 1], identity=["person", 0], trigger="")
        trigger = "<anna>"
    return prompt | {
        "CONDITIONING": node("CLIPTextEncode", clip=["trio", 1], text="a photo of a man"),
        "LATENT": node("EmptyLatentImage", width=side, height=side, batch_size=frames),
        "IMAGE": node("EmptyImage", width=side, height=side, batch_size=1, color=0x8899AA),
        "MASK": node("SolidMask", value=0.5, width=side, height=side),
        "SAMPLER": node("KSamplerSelect", sampler_name="euler"),
        "SIGMAS": node("BasicScheduler", model=["MODEL", 0], scheduler="simple", steps=1, denoise=1.0),
        "NOISE": node("RandomNoise", noise_seed=0),
        "GUIDER": node("BasicGuider", model=["MODEL", 0], conditioning=["CONDITIONING", 0]),
        "STRING": node("PrimitiveString", value=f"a photo of {trigger}"),
    }


def link(prompt: Json, kind: str) -> list[object]:
    whole = prompt[kind]["class_type"] in ("StableIdentityMiniWorld", "SITestTinyTrio")
    return [kind, KINDS.index(kind) if whole else 0]


def used(world: World, prompt: Json, kind: str, changes: Json) -> Json:
    """The node with its defaults and links, and what uses its first output."""
    info = world.server.object_info(kind)
    inputs = {}
    for name, spec in info["input"]["required"].items():
        given, options = spec[0], spec[1] if len(spec) > 1 else {}
        if name in changes:
            inputs[name] = changes[name]
        elif isinstance(given, str) and given in prompt and (given != "STRING" or name == "text"):
            inputs[name] = link(prompt, given)
        else:
            choices = given if isinstance(given, list) else options.get("options", [None])
            inputs[name] = options.get("default", options.get("min", choices[0]))
    own = {kind: node(kind, **inputs)}
    if info["output_node"]:
        return own
    first, made = [kind, 0], info["output"][0]
    if made == "MODEL":
        own[f"{kind} sampled"] = sampled(prompt, first)
    if made == "CLIP":
        own[f"{kind} encoded"] = node("CLIPTextEncode", clip=first, text=["STRING", 0])
    if made == "VAE":
        own[f"{kind} decoded"] = node("VAEDecode", vae=first, samples=["LATENT", 0])
    return own | {f"{kind} shown": node("PreviewAny", source=[list(own)[-1], 0])}


def sampled(prompt: Json, model: list[object]) -> Json:
    return node(
        "KSampler",
        model=model,
        positive=["CONDITIONING", 0],
        negative=["CONDITIONING", 0],
        latent_image=["LATENT", 0],
        **{"seed": 0, "steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0},
    )


def picture(world: World, prompt: Json, model: list[object] | None = None, vae: list[object] | None = None):
    """What a MODEL paints, without others that of the sources."""
    plain = prompt | {"plain": sampled(prompt, model or link(prompt, "MODEL"))}
    plain["decoded"] = node("VAEDecode", samples=["plain", 0], vae=vae or link(prompt, "VAE"))
    plain["seen"] = node("PreviewImage", images=["decoded", 0])
    result = world.server.run(plain)
    assert result.status == "success", result.error
    return np.asarray(Image.open(io.BytesIO(world.server.view(result.outputs["seen"]["images"][0]))))


@pytest.mark.parametrize(
    ("which", "kind"), [("mini", "MODEL"), ("video", "MODEL"), ("mini", "CLIP"), ("applied", "CLIP"), ("mini", "VAE")]
)
def test_stock_nodes_take_it(stock: World, which: str, kind: str):
    """All in one prompt, whose error names the node; afterwards the loaded model paints what it did before."""
    prompt = sources(stock, which)
    before = picture(stock, prompt)
    known = [name for name in NODES[kind] if stock.server.object_info(name)]
    assert len(known) > len(NODES[kind]) // 2, known
    everything = dict(prompt)
    for name in known:
        everything |= used(stock, prompt, name, NODES[kind][name])
    result = stock.server.run(everything)
    assert result.status == "success", result.error or result.node_errors
    assert set(known) <= set(result.executed_nodes)
    assert np.array_equal(picture(stock, prompt), before)


@pytest.mark.parametrize("which", ["mini", "video"])
def test_a_lora_of_the_hosts_own_training_paints(stock: World, which: str):
    """The host trains on a copy of its own, so that the loaded model stays as it is."""
    if not stock.server.object_info("TrainLoraNode"):
        pytest.skip("this host trains no LoRA")
    prompt = sources(stock, which)
    before = picture(stock, prompt)
    values = {"steps": 2, "learning_rate": 0.1, "training_dtype": "none", "lora_dtype": "fp32"}
    train = used(stock, prompt, "TrainLoraNode", values)["TrainLoraNode"]
    kinds = stock.server.object_info("TrainLoraNode")["output"]
    loader = node("LoraModelLoader", model=link(prompt, "MODEL"), lora=["train", kinds.index("LORA_MODEL")])
    loader["inputs"].update(strength_model=1.0, bypass=False)
    after = picture(stock, prompt | {"train": train, "loader": loader}, model=["loader", 0])
    assert not np.array_equal(after, before)
    assert np.array_equal(picture(stock, prompt), before)


def test_a_saved_vae_is_read_by_the_stock_loader(stock: World):
    prompt = sources(stock, "mini")
    before = picture(stock, prompt)
    save = node("VAESave", vae=["mini", KINDS.index("VAE")], filename_prefix="vae/mini_world")
    result = stock.server.run({"mini": prompt["VAE"], "save": save})
    assert result.status == "success", result.error
    (saved,) = (stock.server.output / "vae").glob("mini_world*")
    loader = node("VAELoader", vae_name=saved.name)
    assert np.array_equal(picture(stock, prompt | {"loader": loader}, vae=["loader", 0]), before)
    saved.unlink()
