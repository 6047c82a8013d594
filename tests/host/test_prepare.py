"""Photos are prepared in the real server: by the networks when they are in place, and by hand without."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageDraw

from helpers.face_nets import pointing_retinaface, random_bisenet
from helpers.prompts import Json, learn, node
from helpers.refusal import Refusals
from helpers.workflows import api_workflow
from helpers.world import World
from stableidentity_core.identity import load_identity

pytest.importorskip("facexlib", reason="FACEXLIB IS NOT INSTALLED")


AUTO = {"find_face": "auto", "parse_face": "auto"}


@pytest.fixture(scope="module")
def nets(world: World) -> Iterator[None]:
    """A detector and a parser in the models folder, for this module only."""
    folder = world.server.models / "stableidentity"
    files = [
        pointing_retinaface(folder / "face_detection" / "detection_mobilenet0.25_Final.pth"),
        random_bisenet(folder / "face_parsing" / "parsing_bisenet.pth"),
    ]
    yield
    for file in files:
        file.unlink()


@pytest.fixture(scope="module")
def wide(world: World) -> str:
    """A photo that is no portrait: the astronaut with grey at both sides."""
    with Image.open(world.server.input / "astronaut.png") as astronaut:
        photo = Image.new("RGB", (1024, 640), "grey")
        photo.paste(astronaut, (256, 64))
        photo.save(world.server.input / "photo.jpg", quality=95)
    return "photo.jpg"


def prepare(image: str, **settings) -> Json:
    prompt = api_workflow(4)
    prompt["1"]["inputs"]["image"] = image
    prompt["2"]["inputs"] |= settings
    return prompt


def pictures(world: World, result) -> dict[str, np.ndarray]:
    return {
        key: np.asarray(Image.open(io.BytesIO(world.server.view(output["images"][0]))))
        for key, output in result.outputs.items()
        if "images" in output and output["images"][0]["type"] != "input"
    }


def test_without_networks_a_wide_photo_tells_what_to_fetch(world, bad: Refusals, wide):
    """First of all, before the module puts networks in place."""
    prompt = learn(world.eps, name="bad", image=wide)
    prompt["face"]["inputs"] |= AUTO
    bad.refused(
        prompt, "1024x640", "no detector installed", "python -m stableidentity_core download retinaface_resnet50", "MIT"
    )


def test_of_a_square_without_a_detector_the_first_line_says_that_nobody_looked(world):
    """Before the module puts networks in place, too."""
    Image.new("RGB", (512, 512), (120, 130, 140)).save(world.server.input / "wall.png")
    result = world.server.run(prepare("wall.png", strict=False))
    assert result.status == "success", result.error
    first, *rest = result.outputs["2"]["text"][0].splitlines()
    assert first.startswith("[!] Nobody has looked for a face")
    assert any(line.startswith("Photo quality: unknown") for line in rest)
    assert not any("[ok]" in line or "good" in line for line in rest)


@pytest.fixture
def cut_out(world) -> str:
    """The astronaut's face with everything else transparent, as background removers leave a portrait."""
    with Image.open(world.server.input / "astronaut.png") as astronaut:
        portrait = astronaut.crop((137, 28, 311, 202)).resize((512, 512))
    shape = Image.new("L", (512, 512))
    ImageDraw.Draw(shape).ellipse([60, 10, 452, 600], fill=255)
    portrait.putalpha(shape)
    portrait.save(world.server.input / "cut_out.png")
    return "cut_out.png"


def with_own_mask(image: str, **settings) -> Json:
    """MASK of Load Image, which is the inverse of alpha, on face_mask."""
    prompt = prepare(image, find_face="off", parse_face="off", **settings)
    prompt["2"]["inputs"]["face_mask"] = ["1", 1]
    return prompt


def test_the_mask_of_a_cut_out_portrait_is_said_first_and_refused_by_strict(world, bad: Refusals, cut_out):
    result = world.server.run(with_own_mask(cut_out, strict=False))
    assert result.status == "success", result.error
    first = result.outputs["2"]["text"][0].splitlines()[0]
    assert first.startswith("[!] The face mask does not fit the face: ") and "transparent background" in first
    bad.refused(with_own_mask(cut_out, strict=True), "The face mask does not fit", "Disconnect", "strict")


def test_a_picture_without_a_mask_connected_to_face_mask_is_refused_for_that(world, bad: Refusals, wide):
    """Load Image gives 64 x 64 zeros, which are no mask of this picture's proportions."""
    prompt = learn(world.eps, name="bad", image=wide)
    prompt["face"]["inputs"]["face_mask"] = ["image", 1]
    Image.new("RGB", (600, 590), "grey").save(world.server.input / "nearly.png")
    prompt["image"]["inputs"]["image"] = "nearly.png"
    bad.refused(prompt, "face mask marks nothing", "Load Image outputs an empty one")


def folder(name: str, **settings) -> Json:
    inputs = {"folder": name, "find_face": "off", "parse_face": "off", "at_most": 500} | settings
    return {
        "people": node("StableIdentityPrepareFolder", **inputs),
        "report": node("PreviewAny", source=["people", 2]),
    }


def test_a_folder_of_photos_with_what_systems_leave_in_it(world, bad: Refusals):
    """Also by a link in the input folder, as the host takes it; what is added below it is seen at the next run."""
    elsewhere = world.server.base / "photos"
    for name in ("anna.jfif", "ben.gif", "._anna.png", "@eaDir/anna.png/THUMB.png"):
        path = elsewhere / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (128, 128), "grey").save(path, {".jfif": "JPEG"}.get(path.suffix))
    (elsewhere / "carl.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100)
    (elsewhere / "dora.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100)
    (world.server.input / "crowd").symlink_to(elsewhere)
    result = world.server.run(folder("crowd"))
    assert result.status == "success", result.error
    lines = result.outputs["report"]["text"][0].splitlines()
    assert lines[0].startswith("[!] Nobody has looked for faces")
    assert lines[1] == "[!] 2 of 3 photos used."
    assert lines[2].startswith("[!] 2 of the photos used could be better: anna.jfif (resolution")
    assert any(line.startswith("dora.jpg: ") and "is a HEIC picture" in line for line in lines)
    assert any(line.startswith("2 left out (hidden") and "@eaDir/" in line and "._anna.png" in line for line in lines)
    assert any(line.startswith("1 left out (a HEIC picture") and "carl.heic" in line for line in lines)
    Image.new("RGB", (128, 128), "grey").save(elsewhere / "emil.png")
    again = world.server.run(folder("crowd", at_most=3))
    text = again.outputs["report"]["text"][0]
    assert "2 of 3 photos used." in text and "1 more were not processed: at_most is 3." in text
    for name in ("../photos", str(elsewhere), "crowd/../../photos"):
        bad.refused(folder(name), "is not below", "a link to their folder")
    bad.refused(folder("nobody"), "No folder at", "nobody")
    bad.refused(folder("n" * 300), "longer than the file system allows", "shorter")


def test_preview_overlay_and_report_arrive_in_the_history(world, nets, wide):
    result = world.server.run(prepare(wide, strict=False))
    assert result.status == "success", result.error
    seen = pictures(world, result)
    assert seen["2"].shape == (640, 1024, 3)
    with Image.open(world.server.input / wide) as photo:
        drawn = np.abs(seen["2"].astype(int) - np.asarray(photo).astype(int)).max(-1) > 60
    assert drawn.sum() > 2000, "no boxes were drawn"
    assert seen["3"].shape == seen["4"].shape == (512, 512, 3)
    assert np.abs(seen["3"].astype(int) - seen["4"].astype(int)).mean() > 5, "no mask was laid over"
    report = result.outputs["5"]["text"][0]
    assert report.startswith("[!] The parser finds no face") or "Photo quality:" in report
    assert "resolution:" in report and "yaw:" in report
    assert result.outputs["2"]["text"][0] == report and "images" in result.outputs["2"]


def test_the_portrait_is_cut_where_the_detector_points(world, nets, wide):
    """The network finds 512-pixel faces in a view of 640: in this photo of 1024 they are 819 large."""
    result = world.server.run(prepare(wide))
    aligned = pictures(world, result)["3"].astype(int)
    e, m = 0.36 * 819.2, 0.34 * 819.2
    side = max(4 * e, 3.6 * m)
    assert side > 1024 and aligned.std() > 10
    # The square is larger than the photo, so that the grey sides are in sight at the middle of both edges.
    assert np.abs(aligned[230:280, 5:40] - 128).mean() < 12 and np.abs(aligned[230:280, -40:-5] - 128).mean() < 12


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"find_face": "retinaface_resnet50"}, ("detection_Resnet50_Final.pth", "109,497,761 bytes", "download")),
        ({"parse_face": "parsenet"}, ("parsing_parsenet.pth", "85,331,193 bytes", "download parsenet")),
        ({"which_face": "number", "face_number": 99}, ("number 99", "from left to right")),
        ({"strict": True}, ("The photo has", "problems", "strict")),
    ],
)
def test_what_cannot_be_done_is_said(world, nets, bad: Refusals, wide, settings, needed):
    prompt = learn(world.eps, name="bad", image=wide)
    prompt["face"]["inputs"] |= AUTO | settings
    bad.refused(prompt, *needed)


def test_a_photo_without_a_face_is_told_of(world, nets, bad: Refusals, wide):
    """The same network, told that nothing is a face."""
    import torch

    path = world.server.models / "stableidentity" / "face_detection" / "detection_mobilenet0.25_Final.pth"
    tensors = torch.load(path, weights_only=True)
    kept = {key: value.clone() for key, value in tensors.items()}
    for level in range(3):
        tensors[f"module.ClassHead.{level}.conv1x1.bias"] = torch.tensor([6.0, -6.0] * 2)
    torch.save(tensors, path)
    try:
        prompt = learn(world.eps, name="bad", image=wide)
        prompt["face"]["inputs"]["find_face"] = "retinaface_mobile0.25"
        result = world.server.run(prompt)
        assert result.status == "error" and "No face found in the photo of 1024x640" in str(result.error)
    finally:
        torch.save(kept, path)


def test_several_photos_of_one_person_are_learned_together(world, nets, wide):
    prompt = learn(world.eps, name="both", steps=2)
    prompt["flipped"] = node("ImageInvert", image=["image", 0])
    prompt["batch"] = node("ImageBatch", image1=["image", 0], image2=["flipped", 0])
    prompt["face"]["inputs"] |= {"image": ["batch", 0], "find_face": "off", "parse_face": "off"}
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    header = load_identity(world.embedding("both")).header
    assert header["photos"] == "2" and len(json.loads(header["photo_quality"])) == 2


def test_downloading_without_a_network_is_a_sentence(world, bad: Refusals, wide):
    prompt = learn(world.eps, name="bad", image=wide)
    prompt["face"]["inputs"] |= AUTO | {"find_face": "retinaface_resnet50", "download": True}
    bad.refused(prompt, "detection_Resnet50_Final.pth could not be downloaded", "offline", "put it at")
