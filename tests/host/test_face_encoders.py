"""Face encoders other than the paper's, and the score of likeness, in the real server."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from helpers.prompts import Json, learn, node
from helpers.tiny import fill
from helpers.world import World
from stableidentity_core.encode import load_face_encoder
from stableidentity_core.face.photo import read_photo
from stableidentity_core.face.prepare import prepare_face
from stableidentity_core.identity import load_identity


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=24, hidden_act="gelu")
    folder = tmp_path_factory.mktemp("clip vision")
    fill(CLIPVisionModelWithProjection(config), 3).save_pretrained(folder)
    return folder


def seen(clip: Path) -> Json:
    """The astronaut's portrait and its negative, as CLIP sees them."""
    return {
        "image": node("LoadImage", image="astronaut.png"),
        "negative": node("ImageInvert", image=["image", 0]),
        "vision": node("SITestTinyClipVision", folder=str(clip)),
        "encoder": node("StableIdentityClipVisionEncoder", clip_vision=["vision", 0]),
        "face": node("StableIdentityPrepareFace", image=["image", 0], find_face="off", parse_face="off"),
        "other": node("StableIdentityPrepareFace", image=["negative", 0], find_face="off", parse_face="off"),
    }


def test_the_hosts_clip_vision_gives_the_feature_that_transformers_gives(world: World, clip: Path):
    prompt = seen(clip) | {
        "encoded": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face", 0]),
        "shown": node("SITestFeature", face=["encoded", 0]),
    }
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    feature = torch.tensor(result.outputs["shown"]["feature"])
    portrait = prepare_face(read_photo(world.server.input / "astronaut.png")).face.image
    expected = load_face_encoder(clip)(portrait[None])[0]
    assert feature.shape == expected.shape == (24,)
    # The host resizes with its own bicubic kernel and rounds to 8 bits on the way.
    assert (feature - expected).norm() < 0.02 * expected.norm()


def test_a_person_is_learned_with_the_hosts_clip_vision(world: World, clip: Path):
    prompt = learn(world.eps, name="by-clip", steps=2) | {
        "encoder": node("StableIdentityClipVisionEncoder", clip_vision=["vision", 0]),
        "vision": node("SITestTinyClipVision", folder=str(clip)),
    }
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert load_identity(world.embedding("by-clip")).header["face_encoder"].startswith("host clip vision:")


def test_likeness_is_one_to_oneself_less_to_another_and_the_mean_of_a_batch(world: World, clip: Path):
    scores = {"itself": "face", "negative_too": "other", "both": "pair"}
    prompt = seen(clip) | {
        "batch": node("ImageBatch", image1=["image", 0], image2=["negative", 0]),
        "pair": node("StableIdentityPrepareFace", image=["batch", 0], find_face="off", parse_face="off"),
    }
    for name, other in scores.items():
        prompt[f"score {name}"] = node(
            "StableIdentityFaceSimilarity", face_encoder=["encoder", 0], face=["face", 0], other=[other, 0]
        )
        prompt[name] = node("PreviewAny", source=[f"score {name}", 0])
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    itself, negative, both = (float(result.outputs[name]["text"][0]) for name in scores)
    assert itself == pytest.approx(1, abs=1e-5)  # a cosine of float32 numbers
    assert negative < 0.999
    assert both == pytest.approx((itself + negative) / 2, abs=1e-5)  # rounding of the cosine alone
