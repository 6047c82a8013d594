"""Temporal Identity Score in the real server: on pictures of the mini world, on a video, and where it has no value."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from helpers.face_nets import pointing_retinaface
from helpers.prompts import Json, node
from helpers.refusal import Refusals
from helpers.workflows import api_workflow
from helpers.world import World
from mini_world import weights
from mini_world.look import Look
from mini_world.measure import picture_tensor
from mini_world.person import unseen_person
from mini_world.pipeline import mini_world_encoder
from stableidentity_core.face import portrait

EXPRESSIONS = ("neutral", "smiling")


def clip_of(*people: int) -> Json:
    """Drawn people as frames 1, 2, ... of a batch, called `clip`, and the mini world's encoder."""
    prompt = {"world": node("StableIdentityMiniWorld")}
    for number, who in enumerate(people):
        look = {"expression": EXPRESSIONS[number % 2]}
        prompt[f"frame {number}"] = node("StableIdentityMiniWorldPerson", person=who, **look)
        before, name = ("frame 0" if number == 1 else f"clip {number - 1}"), f"clip {number}"
        if number:
            prompt[name] = node("ImageBatch", image1=[before, 0], image2=[f"frame {number}", 0])
    prompt["clip"] = prompt.pop(f"clip {len(people) - 1}", prompt["frame 0"])
    return prompt


def scored(prompt: Json, photo: bool = True, **settings) -> Json:
    """Score the batch `clip`; all that comes out is shown."""
    inputs = {"find_face": "off", "which_face": "largest", "download": False} | settings
    prompt = prompt | {
        "score": node("StableIdentityTemporalScore", face_encoder=["world", 3], frames=["clip", 0], **inputs),
        "to photo": node("PreviewAny", source=["score", 0]),
        "to next": node("PreviewAny", source=["score", 1]),
        "plot": node("PreviewImage", images=["score", 2]),
        "report": node("PreviewAny", source=["score", 3]),
    }
    if photo:
        prompt["photo"] = node("StableIdentityMiniWorldPerson", person=1, scene="beach")
        prompt["face"] = node("StableIdentityPrepareFace", image=["photo", 0], find_face="off", parse_face="off")
        prompt["score"]["inputs"]["face"] = ["face", 0]
    else:
        del prompt["to photo"]
    return prompt


def expected(*people: int) -> tuple[float, float]:
    """Both means by numpy, without the code under test."""
    encoder = mini_world_encoder(weights.load_weights(weights.FILE))
    looks = [Look(expression=EXPRESSIONS[number % 2]) for number in range(len(people))]
    drawn = [picture_tensor(unseen_person(who), look) for who, look in zip(people, looks, strict=True)]
    drawn.append(picture_tensor(unseen_person(1), Look(scene="beach")))
    vectors = [encoder(portrait(picture).image[None])[0].double().numpy() for picture in drawn]
    *frames, photo = [vector / np.linalg.norm(vector) for vector in vectors]
    steps = [float(frames[at] @ frames[at + 1]) for at in range(len(frames) - 1)]
    return float(np.mean([frame @ photo for frame in frames])), float(np.mean(steps))


def run(world: World, prompt: Json) -> dict[str, str]:
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    picture = np.asarray(Image.open(io.BytesIO(world.server.view(result.outputs["plot"]["images"][0]))))
    assert picture.shape == (384, 768, 3) and picture.std() > 10
    assert result.outputs["score"]["text"][0] == result.outputs["report"]["text"][0]
    return {key: output["text"][0] for key, output in result.outputs.items() if "text" in output}


def test_a_clip_of_one_person_scores_above_one_that_changes_person(world: World):
    values = {}
    for people in ((1, 1, 1, 1), (1, 1, 2, 2)):
        shown = run(world, scored(clip_of(*people)))
        values[people] = float(shown["to photo"]), float(shown["to next"])
        assert values[people] == pytest.approx(expected(*people), abs=1e-5)  # float32 sums of a batch of one
        assert f"Frame to photo: {values[people][0]:.3f} in the mean" in shown["report"]
        assert "4 frames, a face in 4." in shown["report"] and "taken as aligned portraits" in shown["report"]
    (same, still), (changed, moved) = values.values()
    assert same > changed + 0.2 and still > moved + 0.2
    assert "between frames 2 and 3" in shown["report"]


def test_without_a_photo_frames_are_compared_with_each_other(world: World):
    shown = run(world, scored(clip_of(1, 1), photo=False))
    assert "no photo was given" in shown["report"] and float(shown["to next"]) > 0.8


def test_a_value_that_is_not_defined_stops_those_who_ask_for_it_and_nobody_else(world: World):
    result = world.server.run(scored(clip_of(1)))
    assert "not defined for a clip of one frame" in result.error and "Traceback" not in result.error
    (event,) = result.of("execution_error")
    assert event.data["node_id"] == "to next"
    shown = {key: output["text"][0] for key, output in result.outputs.items() if "text" in output}
    assert "to next" not in shown and float(shown["to photo"]) > 0.8
    assert "not defined for a clip of one frame" in shown["report"] and "images" in result.outputs["plot"]


def test_without_a_detector_it_tells_what_to_fetch(world: World, bad: Refusals):
    """First, before the module puts one in place."""
    words = ("no detector installed", "python -m stableidentity_core download retinaface_resnet50", "find_face to off")
    bad.refused(scored(clip_of(1, 1), find_face="auto"), *words)


def test_frames_that_cannot_be_scored_are_named(world: World, bad: Refusals):
    wide = {"world": node("StableIdentityMiniWorld"), "clip": node("EmptyImage", width=256, height=128, batch_size=2)}
    wide["clip"]["inputs"]["color"] = 0
    bad.refused(scored(wide, photo=False), "Frame 1: The portrait is 256x128")


@pytest.fixture(scope="module")
def detector(world: World) -> Iterator[None]:
    pytest.importorskip("facexlib", reason="FACEXLIB IS NOT INSTALLED")
    folder = world.server.models / "stableidentity" / "face_detection"
    file = pointing_retinaface(folder / "detection_mobilenet0.25_Final.pth")
    yield
    file.unlink()


def write_clip(path: Path, count: int) -> None:
    """The astronaut, moved a little from frame to frame, in a wide picture."""
    import skimage.data

    head = skimage.data.astronaut()[:256, 100:356]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width, stream.height = 384, 256
        for number in range(count):
            frame = np.full((256, 384, 3), 128, np.uint8)
            frame[:, 60 + 4 * number : 316 + 4 * number] = head
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))


def test_the_shipped_workflow_scores_a_video(world: World, detector):
    """With a tiny encoder in the place of ArcFace, and a detector that points at the middle."""
    write_clip(world.server.input / "clip.mp4", 5)
    Image.open(world.server.input / "astronaut.png").convert("RGB").save(world.server.input / "photo.jpg")
    prompt = api_workflow(14)
    prompt["5"]["inputs"]["encoder_name"] = "tiny"
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    report = result.outputs["8"]["text"][0]
    assert "5 frames, a face in 5." in report and "taken as aligned" not in report
    assert "Frame to photo: " in report and "over 4 pairs" in report and "frame 1 to frame 5" in report
    assert result.outputs["7"]["images"]
