"""Score Pictures and Evaluation Report in the real server: drawn people, photos, and what is refused."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from helpers.face_nets import pointing_retinaface
from helpers.prompts import Json, learn, node, several
from helpers.refusal import Refusals
from helpers.tiny import fill, tiny_face_vit
from helpers.world import World
from mini_world.evaluators import Evaluators
from mini_world.look import Look, caption
from mini_world.measure import embed, picture_tensor
from mini_world.person import unseen_person
from mini_world.weights import load_weights
from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.identity import load_identity
from stableidentity_core.train.scoring import describe_kept
from stableidentity_core.weights import get_weight

LOOKS = (Look(hat="red hat", scene="snow"), Look(glasses="sunglasses", scene="beach"))
CLIP_SIDE = 32
SETTINGS = {"name": "", "find_face": "auto", "clip": "auto", "distance": "auto", "download": False}


def drawn(*people: int, who: str = "<anna>", **settings) -> Json:
    """Pictures of these people, one in each look, measured as pictures of person 1."""
    prompts = "\n".join(caption(look, who) for look in LOOKS[: len(people)])
    prompt = {
        "world": node("StableIdentityMiniWorld"),
        "photo": node("StableIdentityMiniWorldPerson", person=1),
        "face": node("StableIdentityPrepareFace", image=["photo", 0], find_face="off", parse_face="off"),
        "prompts": node("StableIdentityPrompts", prompts=prompts),
    }
    for number, (person, look) in enumerate(zip(people, LOOKS, strict=False)):
        prompt[f"picture {number}"] = node("StableIdentityMiniWorldPerson", person=person, **vars(look))
    prompt["pictures"] = prompt["picture 0"]
    if len(people) == 2:
        prompt["pictures"] = node("ImageBatch", image1=["picture 0", 0], image2=["picture 1", 0])
    return prompt | measured(**settings)


def measured(key: str = "score", /, recogniser: tuple[str, int] = ("world", 5), **settings) -> Json:
    links = {"pictures": ["pictures", 0], "prompts": ["prompts", 0], "face": ["face", 0], "recogniser": [*recogniser]}
    return {
        key: node("StableIdentityScore", **{**links, **SETTINGS, **settings}),
        f"{key} mean": node("PreviewAny", source=[key, 2]),
        f"{key} sheet": node("PreviewImage", images=[key, 1]),
    }


def run(world: World, prompt: Json) -> Json:
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    return result.outputs


def test_drawn_people_are_measured_by_the_mini_world_itself(world: World):
    """As by hand, up to the photo, which Prepare Face enlarges to 512 pixels."""
    outputs = run(world, drawn(1, 2))
    drawn_now = [picture_tensor(unseen_person(person), look) for person, look in zip((1, 2), LOOKS, strict=True)]
    photo = picture_tensor(unseen_person(1))
    evaluators = Evaluators.of(load_weights().judge)
    *faces, reference = (embed(evaluators, picture[None])[0] for picture in (*drawn_now, photo))
    right, wrong = (float(face @ reference) for face in faces)
    text = outputs["score"]["text"][0]
    assert float(outputs["score mean"]["text"][0]) == pytest.approx((right + wrong) / 2, abs=0.02)
    assert right > wrong + 0.3 and "best" in text and "(picture 2)" in text
    assert "Prompts (prompt accuracy): 1.000" in text and "no identity is connected" in text
    assert "| 1 | a photo of a person wearing a red hat in the snow |" in text
    shown = [outputs[key]["images"][0] for key in ("score", "score sheet")]
    sheets = [np.asarray(Image.open(io.BytesIO(world.server.view(one)))) for one in shown]
    assert sheets[0].shape[1] > 3 * 208 and np.array_equal(sheets[0], sheets[1])


def test_the_report_compares_and_is_saved(world: World):
    prompt = drawn(1, 1) | measured("again", clip="off", distance="off")
    prompt["score"]["inputs"].update(clip="off", distance="off")
    links = several("scores.score", ["score", 3], ["again", 3])
    settings = {"names": "good, same", "title": "Two", "filename_prefix": "score/report"}
    prompt["report"] = node("StableIdentityReport", **links, **settings)
    text = run(world, prompt)["report"]["text"][0]
    assert "score/report_00001/report.html" in text and "| good | 1 |" in text and "| same | 1 |" in text
    saved = world.server.output / "score" / "report_00001"
    assert "<h1>Two</h1>" in (saved / "report.html").read_text("utf-8")
    assert len(list(saved.rglob("*.png"))) == 1 + 2 * 2
    prompt["report"]["inputs"]["title"] = "Three"
    assert "report_00002/report.html" in run(world, prompt)["report"]["text"][0]


def test_one_picture_and_other_names_for_the_person(world: World):
    text = run(world, drawn(1, who="emma stone", name="emma stone"))["score"]["text"][0]
    assert "of 1 picture" in text and "a photo of a person wearing a red hat" in text and "accuracy): 1.000" in text
    text = run(world, drawn(1, who="emma stone"))["score"]["text"][0]
    assert "no prompt asks for anything that can be read" in text


def test_the_encoder_of_the_training_is_refused(world: World, bad: Refusals):
    prompt = drawn(1, recogniser=("world", 3), identity=["instant", 0])
    prompt |= {
        "encoded": node("StableIdentityEncodeFace", face_encoder=["world", 3], face=["face", 0]),
        "names": node("StableIdentityNameSpace", clip=["world", 1], names=""),
    }
    links = {"face": ["encoded", 0], "projector": ["world", 4], "name_space": ["names", 0]}
    prompt["instant"] = node("StableIdentityProject", **links, trigger="anna")
    bad.refused(prompt, "face encoder that the identities were trained with", "another face encoder")
    prompt["score"]["inputs"]["recogniser"] = ["world", 5]
    text = run(world, prompt)["score"]["text"][0]
    assert "Not checked" not in text


def test_what_does_not_fit_is_refused(world: World, bad: Refusals):
    fewer = drawn(1, 2)
    fewer["prompts"]["inputs"]["prompts"] += "\na pencil sketch of <anna>"
    bad.refused(fewer, "2 pictures and 3 prompts", "the same list of prompts")
    wide = drawn(1)
    wide["pictures"] = node("EmptyImage", width=256, height=128, batch_size=1, color=0)
    bad.refused(wide, "256x128, needed squares")
    outside = drawn(1)
    settings = {"names": "", "title": "", "filename_prefix": "../outside"}
    outside["report"] = node("StableIdentityReport", **several("scores.score", ["score", 3]), **settings)
    bad.refused(outside, "'../outside'", "below ComfyUI's output folder")
    bad.refused(photos(), "no detector installed", "download retinaface_resnet50", "find_face to off")
    chosen = photos(find_face="off", clip="clip_vit_b32")
    bad.refused(chosen, "files are missing", "python -m stableidentity_core download clip_vit_b32")


def photos(**settings) -> Json:
    """The astronaut, measured with a tiny encoder."""
    prompt = {
        "pictures": node("LoadImage", image="astronaut.png"),
        "face": node("StableIdentityPrepareFace", image=["pictures", 0], find_face="off", parse_face="off"),
        "prompts": node("StableIdentityPrompts", prompts="a photo of <anna>"),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="tiny"),
    }
    return prompt | measured(recogniser=("encoder", 0), **settings)


@pytest.fixture
def detector(world: World) -> Iterator[None]:
    pytest.importorskip("facexlib", reason="FACEXLIB IS NOT INSTALLED")
    file: Path = pointing_retinaface(
        world.server.models / "stableidentity" / "face_detection" / "detection_mobilenet0.25_Final.pth"
    )
    yield
    file.unlink()


@pytest.fixture
def judge(world: World, detector: None) -> None:
    """A second encoder, which was not trained with."""
    tiny_face_vit(world.server.models / "stableidentity" / "face_encoders" / "judge", seed=5)


def learned_while_scored(world: World, name: str = "scored", **settings) -> Json:
    """The astronaut, in 3 steps on the tiny model."""
    prompt = learn(world.eps, name=name, **{"steps": 3, "learning_rate": 1e-3, "score_every": 2, **settings})
    prompt["judge"] = node("StableIdentityLoadFaceEncoder", encoder_name="judge")
    prompt["train"]["inputs"]["recogniser"] = ["judge", 0]
    return prompt


def test_a_training_says_how_similar_its_steps_are_and_keeps_the_best(world: World, judge: None):
    line = run(world, learned_while_scored(world, keep="best"))["train"]["text"][0]
    scored = load_identity(world.embedding("scored"))
    kept = describe_kept(scored.header)
    assert kept in line and kept.startswith(f"step {scored.header['kept_step']} of 3 kept, similarity ")
    scores = json.loads(scored.header["scores"])
    assert list(scores) == ["2", "3"] and scored.header["kept_step"] == max(scores, key=lambda step: scores[step])
    assert scored.header["scored_by"] != scored.header["face_encoder"]
    again = run(world, learned_while_scored(world, keep="best", preview_every=9))["train"]["text"][0]
    assert "taken from the store" in again and kept in again
    run(world, learned_while_scored(world, name="last", keep="last"))
    last = load_identity(world.embedding("last"))
    assert last.header["kept_step"] == "3" and last.header["scores"] == scored.header["scores"]
    plain = {}
    for steps in (2, 3):
        run(world, learn(world.eps, name=f"plain{steps}", steps=steps, learning_rate=1e-3))
        plain[str(steps)] = load_identity(world.embedding(f"plain{steps}"))
    for identity in (scored, last):
        expected = plain[identity.header["kept_step"]].words["clip_h"]
        assert torch.equal(identity.words["clip_h"], expected), "scores have changed what is learned"
    assert "scores" not in plain["3"].header


def test_the_best_step_needs_a_recogniser_of_its_own(world: World, judge: None, bad: Refusals):
    own = learned_while_scored(world, keep="best")
    own["train"]["inputs"]["recogniser"] = ["encoder", 0]
    bad.refused(own, "Score with another face encoder")
    alone = learned_while_scored(world, keep="best")
    del alone["train"]["inputs"]["recogniser"]
    bad.refused(alone, "keep is best, but there is no recogniser", "set keep to last")


def test_steps_cannot_be_scored_without_a_detector(world: World, bad: Refusals):
    tiny_face_vit(world.server.models / "stableidentity" / "face_encoders" / "judge", seed=5)
    bad.refused(learned_while_scored(world), "no detector installed", "Or disconnect recogniser")


def test_faces_are_found_in_photos_and_what_is_not_installed_is_told(world: World, detector):
    outputs = run(world, photos())
    text = outputs["score"]["text"][0]
    assert "set clip to off" in text and "set distance to off" in text and "No face was looked for" not in text
    aligned = run(world, photos(find_face="off", clip="off", distance="off"))
    assert float(aligned["score mean"]["text"][0]) == pytest.approx(1, abs=1e-4)
    text = aligned["score"]["text"][0]
    assert "No face was looked for" in text and "not installed" not in text


@pytest.fixture
def clip(world: World) -> Iterator[CLIPModel]:
    """A small CLIP in the published file format, and its tokenizer, where `download` would place them."""
    part = {"num_attention_heads": 1, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96}
    vision = {**part, "image_size": CLIP_SIDE, "patch_size": 8}
    texts = {**part, "eos_token_id": 49407}
    model = CLIPModel(CLIPConfig(text_config=texts, vision_config=vision, projection_dim=24)).eval()
    fill(model, seed=0)
    file = get_weight("clip_vit_b32").path(world.server.models)
    words = get_weight("clip_vocabulary").path(world.server.models).parent
    for folder in (file.parent, words):
        folder.mkdir(parents=True)
    torch.save(model.state_dict(), file)
    packaged_tokenizer(words)
    yield model
    for folder in (file.parent, words):
        shutil.rmtree(folder)


def test_prompts_of_photos_are_measured_by_clip_as_transformers_does(world: World, clip: CLIPModel):
    outputs = run(world, photos(find_face="off"))  # auto
    with Image.open(world.server.input / "astronaut.png") as file:
        pixels = torch.from_numpy(np.array(file.convert("RGB"))).movedim(-1, 0)[None] / 255
    shrunk = torch.nn.functional.interpolate(pixels, (CLIP_SIDE, CLIP_SIDE), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    tokenizer = CLIPTokenizer.from_pretrained(get_weight("clip_vocabulary").path(world.server.models).parent)
    tokens = tokenizer(["a photo of a person"], return_tensors="pt")
    with torch.no_grad():
        expected = clip(pixel_values=(shrunk - mean) / std, **tokens)
    value = float(expected.image_embeds @ expected.text_embeds.T)
    line = next(line for line in outputs["score"]["text"][0].splitlines() if line.startswith("Prompts"))
    assert float(line.rpartition(": ")[2]) == pytest.approx(value, abs=1e-3)  # shown with three digits
    assert "clip" not in outputs["score"]["text"][0] and "set distance to off" in outputs["score"]["text"][0]
