"""Bad photos, names, triggers, files and settings are refused in the real server, and nothing is lost."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from host.prompts import compare, learn
from host.refusal import Refusals, node
from host.world import World
from stableidentity_core.identity import Identity, load_identity, save_identity
from tiny import tiny_face_vit

PAPER_ENCODER = "vit-base-patch16-224-in21k-face-recognition"


@pytest.fixture(scope="module")
def bad(world: World) -> Refusals:
    return Refusals(world)


# Names


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        (
            "Xyzzyqwrt Plughdfkjg",
            ("Of 1 names", "only 0", "exactly two tokens", "'Xyzzyqwrt Plughdfkjg' (", "Tom Cruise"),
        ),
        ("Xyzzyqwrt Plughdfkjg\nTom Cruise", ("Of 2 names", "only 1", "at least 2", "one a line")),
        ("Tom Cruise\ntom cruise\nTOM CRUISE", ("Of 3 names", "only 1", "different")),
    ],
)
def test_names_that_are_not_two_tokens(world, bad, names, needed):
    prompt = learn(world.eps, name="bad")
    prompt["names"]["inputs"]["names"] = names
    bad.refused(prompt, *needed)


# Photos and masks


def with_image(world: World, kind: str):
    prompt = learn(world.eps, name="bad")
    prompt["bad"] = node("SITestBadImage", image=["image", 0], kind=kind)
    prompt["face"]["inputs"]["image"] = ["bad", 0]
    return prompt


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("1x1", ("1x1 pixels", "at least 64x64", "larger photo")),
        ("empty batch", ("0 pictures", "exactly 1")),
        ("nan", ("786432 values", "NaN", "Load it anew")),
        ("too bright", ("from 0.00 to 255.00", "needed 0 to 1", "Load Image")),
        ("batch of 3", ("3 pictures", "exactly 1", "ImageFromBatch")),
    ],
)
def test_bad_pictures(world, bad, kind, needed):
    bad.refused(with_image(world, kind), *needed)


@pytest.mark.parametrize("kind", ["rgba", "grey"])
def test_rgba_and_grey_pictures_are_learned(world, bad, kind):
    prompt = with_image(world, kind)
    prompt["train"]["inputs"]["steps"] = 1
    prompt["save"]["inputs"]["name"] = kind
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert load_identity(world.embedding(kind)).words["clip_h"].shape == (2, 64)


def test_a_photo_that_is_not_square(world, bad):
    Image.new("RGB", (300, 200), "white").save(world.server.input / "wide.png")
    bad.refused(learn(world.eps, name="bad", image="wide.png"), "300x200", "square", "Crop")


@pytest.mark.parametrize("which", ["face_mask", "hair_mask"])
@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("other proportions", ("512x256", "512x512", "proportions", "same picture")),
        ("batch of 2", ("2 masks", "exactly 1")),
        ("nan", ("262144 values", "NaN")),
    ],
)
def test_bad_masks(world, bad, which, kind, needed):
    bad.refused(with_mask(world, which, kind), which.replace("_", " ") if kind != "batch of 2" else which, *needed)


def test_a_face_mask_that_marks_nothing(world, bad):
    bad.refused(with_mask(world, "face_mask", "all zero"), "face mask marks nothing", "0.00", "0.5", "disconnect")


def test_a_face_mask_that_vanishes_in_training(world, bad):
    """Seen only in the augmented views, with the models already prepared: all is put back."""
    message = bad.refused(with_mask(world, "face_mask", "a dot"), "0.00% of the portrait", "8x8", "Mark the whole face")
    bad.good(message, train=True)


def test_a_mask_of_another_size_is_fitted(world, bad):
    result = world.server.run(with_mask(world, "face_mask", "half the size", steps=1, name="fitted"))
    assert result.status == "success", result.error


def with_mask(world: World, which: str, kind: str, *, name: str = "bad", **settings):
    prompt = learn(world.eps, name=name, **settings)
    prompt["mask"] = node("SITestBadMask", image=["image", 0], kind=kind)
    prompt["face"]["inputs"][which] = ["mask", 0]
    return prompt


def test_a_face_that_nobody_encoded(world, bad):
    prompt = learn(world.eps, name="bad")
    prompt["train"]["inputs"]["face"] = ["face", 0]
    del prompt["encoded"], prompt["encoder"]
    bad.refused(prompt, "no feature", "face encoder", "Encode Face")


# Triggers


@pytest.fixture(scope="module")
def people(world: World, bad: Refusals) -> Iterator[None]:
    """Two identities of the tiny CLIP's width, and one of another."""
    widths = {"anna": 64, "bert": 64, "narrow": 32}
    for seed, (name, width) in enumerate(widths.items()):
        words = torch.randn(2, width, generator=torch.Generator().manual_seed(seed)) * 0.1
        save_identity(Identity(trigger=name, words={"clip_h": words}), world.embedding(f"bad-{name}"))
    yield
    for name in widths:
        world.embedding(f"bad-{name}").unlink()


def person(name: str, trigger: str = ""):
    return node("StableIdentityLoad", name=f"bad-{name}.safetensors", trigger=trigger)


def encoding(world: World, text: str, **people):
    """Prompt with Identity, with the people in the order given."""
    inputs = ("identity", "identity_2", "identity_3")
    links = {slot: [key, 0] for slot, key in zip(inputs, people, strict=False)}
    prompt = {"trio": node("SITestTinyTrio", folder=str(world.eps)), **people}
    prompt["encode"] = node("StableIdentityEncodePrompt", clip=["trio", 1], text=text, **links)
    return finished(prompt)


def applying(world: World, text: str, trigger: str = "", **people):
    """A chain of Apply Identity, then the stock prompt node."""
    prompt = {"trio": node("SITestTinyTrio", folder=str(world.eps)), **people}
    clip = ["trio", 1]
    for key in people:
        prompt[f"apply {key}"] = node("StableIdentityApply", clip=clip, identity=[key, 0], trigger=trigger)
        clip = [f"apply {key}", 0]
    prompt["encode"] = node("CLIPTextEncode", clip=clip, text=text)
    return finished(prompt)


def finished(prompt):
    """Something must come out of a prompt for the host to run it."""
    return {**prompt, "out": node("SITestCompare", a=["encode", 0], b=["encode", 0])}


def test_a_prompt_without_its_trigger(world, bad, people):
    bad.refused(
        encoding(world, "a photo of anna", anna=person("anna")),
        "does not contain <anna>",
        "no effect",
        "'a photo of anna'",
        "Type the trigger",
    )


def test_a_prompt_without_the_second_trigger(world, bad, people):
    prompt = encoding(world, "a photo of <anna>", anna=person("anna"), bert=person("bert"))
    bad.refused(prompt, "does not contain <bert>", "Type the trigger")


@pytest.mark.parametrize("way", [encoding, applying])
def test_an_unknown_trigger(world, bad, people, way):
    prompt = way(world, "a photo of <ana>", anna=person("anna"))
    bad.refused(prompt, "<ana>", "<anna>", "spelling", "'a photo of <ana>'")


@pytest.mark.parametrize("way", [encoding, applying])
def test_two_people_with_one_trigger(world, bad, people, way):
    prompt = way(world, "a photo of <anna>", anna=person("anna"), bert=person("bert", trigger="anna"))
    bad.refused(prompt, "<anna>", "wo ", "another trigger", "Load Identity")


def test_a_person_beside_one_that_was_applied(world, bad, people):
    """Prompt with Identity knows those whom Apply Identity taught the CLIP before."""
    prompt = encoding(world, "<anna> and <bert>", anna=person("anna"))
    prompt["bert"] = person("bert")
    prompt["applied"] = node("StableIdentityApply", clip=["trio", 1], identity=["bert", 0], trigger="")
    prompt["encode"]["inputs"]["clip"] = ["applied", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    del prompt["applied"], prompt["bert"]
    prompt["encode"]["inputs"]["clip"] = ["trio", 1]
    bad.refused(prompt, "<bert>", "<anna>", "connect the identity")


@pytest.mark.parametrize("trigger", ["anna smith", "<anna", "an<na>", "anna:1.2", "a" * 65, "анна"])
@pytest.mark.parametrize("way", ["train", "apply", "load"])
def test_triggers_that_a_prompt_cannot_hold(world, bad, people, way, trigger):
    """Told before anything runs."""
    prompt = {
        "train": lambda: learn(world.eps, name="bad", trigger=trigger),
        "apply": lambda: applying(world, "a photo", trigger=trigger, anna=person("anna")),
        "load": lambda: encoding(world, "a photo", anna=person("anna", trigger=trigger)),
    }[way]()
    bad.refused(prompt, repr(trigger), "1 to 64 letters", "'anna'", by="our check")


def test_an_empty_trigger(world, bad):
    bad.refused(learn(world.eps, name="bad", trigger="  "), "trigger", "1 to 64 letters", by="our check")


def test_a_trigger_that_is_a_word_of_clip(world, people):
    """`dog` in brackets is the person, and without them still a dog."""
    applied = {
        "anna": person("anna"),
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["anna", 0], trigger="dog"),
    }

    def difference(ours: str, stock: str) -> float:
        a, b = (
            node("CLIPTextEncode", clip=clip, text=text)
            for clip, text in ((["applied", 0], ours), (["trio", 1], stock))
        )
        result = world.server.run(compare(world.eps, a, b, applied))
        assert result.status == "success", result.error
        return result.outputs["compare"]["difference"][0]

    assert difference("a dog", "a dog") == 0
    assert difference("a <dog>", "a embedding:bad-anna") == 0
    assert difference("a <dog>", "a dog") > 1e-3


@pytest.mark.parametrize("way", [encoding, applying])
def test_an_identity_of_another_width(world, bad, people, way):
    prompt = way(world, "a photo of <narrow>", narrow=person("narrow"))
    bad.refused(prompt, "<narrow>", "clip_h (width 32)", "clip_h (width 64)", "base model")


def test_words_in_the_temp_folder_are_written_again(world, people):
    """Emptying it while ComfyUI runs must not drop a person from later prompts."""
    before = world.server.run(applying(world, "<anna> in the snow", anna=person("anna")))
    shutil.rmtree(world.server.base / "temp" / "stableidentity")
    prompt = applying(world, "<anna> in the rain", anna=person("anna"))  # the applied CLIP comes from the cache
    prompt["out"]["inputs"]["b"] = ["stock", 0]
    prompt["stock"] = node("CLIPTextEncode", clip=["trio", 1], text="embedding:bad-anna in the rain")
    after = world.server.run(prompt)
    assert before.status == after.status == "success", after.error
    assert "apply anna" in after.cached_nodes
    assert after.outputs["out"]["difference"][0] == 0


# Files


class Payload:
    """Code in a pickle: makes a file when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def refused_file(world: World, bad: Refusals):
    """Puts a file into models/embeddings, and has Load Identity refuse it."""
    written = []

    def check(name: str, write, *needed: str) -> None:
        path = world.server.models / "embeddings" / name
        written.append(path)
        write(path)
        bad.refused(encoding(world, "<x>", x=node("StableIdentityLoad", name=name, trigger="x")), *needed)

    yield check
    for path in written:
        path.unlink()


def truncated(path: Path) -> None:
    save_file({"<x>": torch.zeros(2, 64)}, path)
    path.write_bytes(path.read_bytes()[:-100])


def checkpoint(path: Path) -> None:
    """The beginning of a Stable Diffusion checkpoint."""
    tensors = {f"model.diffusion_model.input_blocks.{i}.0.weight": torch.zeros(32, 4, 3, 3) for i in range(100)}
    save_file({**tensors, "model.diffusion_model.out.0.bias": torch.zeros(320)}, path)


@pytest.mark.parametrize(
    ("name", "write", "needed"),
    [
        ("short.safetensors", truncated, ("bytes", "not a whole safetensors file", "Copy it again")),
        ("empty.safetensors", Path.touch, ("(0 bytes)", "not a whole safetensors file", "Copy it again")),
        (
            "noise.safetensors",
            lambda path: path.write_bytes(b"\xff" * 99),
            ("(99 bytes)", "safetensors", "Copy it again"),
        ),
        ("empty.pt", Path.touch, ("(0 bytes)", "ends too early", "Copy it again")),
        ("noise.pt", lambda path: path.write_bytes(b"not a pickle"), ("noise.pt", "damaged", "safetensors")),
        ("list.pt", lambda path: torch.save([1, 2], path), ("no embedding", "found list", "[N, D]", "another file")),
        (
            "checkpoint.safetensors",
            checkpoint,
            ("checkpoint.safetensors", "101 tensors", "model or a LoRA", "choose an embedding"),
        ),
        (
            "strange.safetensors",
            lambda path: save_file({"x": torch.zeros(2, 999)}, path),
            ("width 999", "1024 (clip_h)"),
        ),
        (
            "nan.safetensors",
            lambda path: save_file({"x": torch.full((2, 1024), float("nan"))}, path),
            ("nan.safetensors", "not finite", "again"),
        ),
    ],
)
def test_files_that_are_no_identity(refused_file, name, write, needed):
    refused_file(name, write, *needed)


def test_a_file_outside_the_folder(world, bad):
    prompt = encoding(world, "<x>", x=node("StableIdentityLoad", name="../../../server.log", trigger="x"))
    bad.refused(prompt, "Value not in list", "'../../../server.log'", by="the schema")


def test_a_damaged_result_in_the_store_is_trained_again(world, bad):
    """And the same words come out."""
    before = {path: path.read_bytes() for path in world.trained}
    for path in before:
        cut(path, 1000)
    log = world.server.log_file.stat().st_size
    result = bad.good()
    assert any(event.data.get("max") == 1 for event in result.of("progress")), "it did not train"
    assert "is damaged" in world.server.log_tail() and "training anew" in world.server.log_tail()
    bad.clean(log, errors=0)
    for path, content in before.items():
        assert path.read_bytes() in (content, content[:1000])
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["torch.save", "pickle"])
def test_code_in_a_pickle_does_not_run(refused_file, tmp_path, how):
    content = {"string_to_param": {"*": torch.zeros(2, 1024)}, "extra": Payload(tmp_path / "ran")}

    def write(path: Path) -> None:
        torch.save(content, path) if how == "torch.save" else path.write_bytes(pickle.dumps(content))

    refused_file(f"{how}-code.pt", write, "code.pt", "could run code", "refused", "safetensors file")
    assert not (tmp_path / "ran").exists(), "the code in the file was run"


# Face encoders


def with_encoder(world: World, name: str):
    return learn(world.eps, name="bad", encoder=name)


def test_the_papers_encoder_is_missing(world, bad):
    folder = world.server.models / "stableidentity" / "face_encoders" / PAPER_ENCODER
    needed = (
        str(folder),
        f"https://huggingface.co/jayanta/{PAPER_ENCODER}",
        "343 MB",
        "model.safetensors",
        "config.json",
    )
    bad.refused(with_encoder(world, PAPER_ENCODER), *needed)
    folder.mkdir()  # and the same when only the folder is there
    try:
        bad.refused(with_encoder(world, PAPER_ENCODER), *needed)
    finally:
        folder.rmdir()


def test_an_encoder_that_is_not_in_the_list(world, bad):
    bad.refused(with_encoder(world, "nobody"), "Value not in list", "nobody", PAPER_ENCODER, by="the schema")


@pytest.fixture
def spoilt_encoder(world):
    """A copy of the tiny encoder to be damaged."""
    home = world.server.models / "stableidentity" / "face_encoders"
    folder = home / "spoilt"
    shutil.copytree(home / "tiny", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "needed"),
    [
        (lambda folder: cut(folder / "model.safetensors", 1000), ("model.safetensors (", "bytes)", "again")),
        (lambda folder: cut(folder / "config.json", 20), ("config.json", "Download it again")),
        (
            lambda folder: (folder / "config.json").write_text('{"hidden_size": 96}'),
            ("config.json", "width 32", "width 96", "again"),
        ),
        (
            lambda folder: save_file({"a": torch.zeros(1)}, folder / "model.safetensors"),
            ("not a Hugging Face ViT", "1 tensors"),
        ),
    ],
    ids=["weights cut", "config cut", "config of another", "other weights"],
)
def test_a_damaged_encoder(world, bad, spoilt_encoder, damage, needed):
    damage(spoilt_encoder)
    bad.refused(with_encoder(world, "spoilt"), "spoilt", *needed)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_code_in_an_encoder_does_not_run(world, bad, spoilt_encoder, tmp_path):
    (spoilt_encoder / "model.safetensors").unlink()
    torch.save({"vit.embeddings.cls_token": Payload(tmp_path / "ran")}, spoilt_encoder / "pytorch_model.bin")
    bad.refused(with_encoder(world, "spoilt"), "pytorch_model.bin", "refused", "safetensors")
    assert not (tmp_path / "ran").exists(), "the code in the file was run"


# Saving

_SEEDS = count(4000)


def was_trained(result) -> bool:
    """For trainings of 3 steps."""
    return any(event.data.get("max") == 3 for event in result.of("progress"))


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("../../x", ("contains '/'",)),
        ("a/b", ("contains '/'",)),
        ("a\\b", ("contains",)),
        ("C:x", ("contains ':'",)),
        ("anna smith", ("contains ' '",)),
        ("", ("is empty",)),
        ("..", ("dot",)),
        ("CON", ("reserved name on Windows",)),
        ("nul.safetensors", ("reserved name on Windows",)),
        ("a" * 300, ("300 characters", "at most 100")),
        ("line\nbreak", ("contains",)),
    ],
)
def test_names_that_no_file_can_have(world, bad, name, needed):
    """Told before anything runs, and so before the training."""
    prompt = learn(world.eps, name=name)
    del prompt["curve"]
    bad.refused(prompt, "The name", *needed, "Use letters, digits", "'anna-2026'", by="our check")
    assert not list(world.server.base.parent.glob("x*")) and not list(world.server.models.glob("x*"))


def test_a_bad_name_that_arrives_by_a_link(world, bad):
    """The widget's check does not see it; the node does."""
    prompt = learn(world.eps, name="bad", steps=1)
    prompt["text"] = node("PrimitiveString", value="../../x")
    prompt["save"]["inputs"]["name"] = ["text", 0]
    bad.refused(prompt, "'../../x'", "contains '/'", "Use letters, digits")


def test_a_name_that_is_taken(world, bad, people):
    prompt = {"who": person("bert")}
    prompt["save"] = node("StableIdentitySave", identity=["who", 0], name="good", if_exists="stop")
    bad.refused(prompt, "good.safetensors holds another person", "'add a number'", "'replace'")


def test_a_bad_name_costs_no_training(world, bad):
    """The host runs the outputs that are in order, here the loss curve; the next try finds the training."""
    training = {"steps": 3, "seed": next(_SEEDS)}
    status, answer = world.server.client.post("/prompt", {"prompt": learn(world.eps, name="a/b", **training)})
    assert status == 200 and "contains '/'" in answer["node_errors"]["save"]["errors"][0]["details"]
    result = world.server.run(learn(world.eps, name="a-b", preview_every=0, **training))
    assert result.status == "success" and not was_trained(result), result.error
    assert world.embedding("a-b").is_file()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A real file system of its own over the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("bad disks are made by mounting a tmpfs; there is no `mount` here")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"bad disks are made by mounting a tmpfs, which is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of one page, filled to the last byte."""
    with mounted(folder, "size=4k"):
        (folder / "full").write_bytes(bytes(4096))
        yield folder


def test_a_disk_without_room_while_saving(world, bad):
    """The training outlives the failed saving: with room again, another name is saved without training."""
    seed = next(_SEEDS)
    world.server.run(learn(world.eps, name="good", steps=1))
    with full_disk(world.server.models / "embeddings") as folder:
        log = world.server.log_file.stat().st_size
        failed = world.server.run(learn(world.eps, name="no-room", steps=3, seed=seed))
        assert failed.status == "error" and was_trained(failed), failed.error
        print(failed.error)
        for word in ("no-room.safetensors", "No space left on device", "bytes", "Free some space"):
            assert word in failed.error
        assert [path.name for path in folder.iterdir()] == ["full"]
        bad.clean(log)
    world.server.run(learn(world.eps, name="good", steps=1))  # so that the host forgets the failed prompt
    again = world.server.run(learn(world.eps, name="room", steps=3, seed=seed))
    assert again.status == "success", again.error
    assert "train" in again.executed_nodes and not was_trained(again), "it trained again"
    assert world.embedding("room").is_file() and not world.embedding("no-room").exists()
    bad.good("a full disk")


def test_a_disk_that_is_read_only(world, bad):
    with mounted(world.server.models / "embeddings", "ro"):
        log = world.server.log_file.stat().st_size
        failed = world.server.run(learn(world.eps, name="read-only", steps=1))
        assert failed.status == "error" and "read-only.safetensors" in failed.error
        assert "Read-only file system" in failed.error and "choose another folder" in failed.error
        bad.clean(log)
    bad.good("a read-only disk")


def test_a_disk_without_room_for_the_store(world, bad):
    """A training that cannot be kept for the next time is saved all the same."""
    with full_disk(world.server.user / "stableidentity" / "trained") as folder:
        log = world.server.log_file.stat().st_size
        result = world.server.run(learn(world.eps, name="not-kept", steps=3, seed=next(_SEEDS)))
        assert result.status == "success", result.error
        assert world.embedding("not-kept").is_file()
        assert [path.name for path in folder.iterdir()] == ["full"]
        told = world.server.log_tail()
        assert "was not kept for the next time" in told and "No space left" in told
        bad.clean(log, errors=0)
    bad.good("a full disk")


def test_a_disk_without_room_for_a_prompt(world, bad, people):
    """Apply Identity hands words to stock nodes through a file in the temp folder."""
    temp = world.server.base / "temp" / "stableidentity"
    shutil.rmtree(temp, ignore_errors=True)
    with full_disk(temp):
        prompt = applying(world, "<lisa> by the sea", lisa=person("bert", trigger="lisa"))
        bad.refused(prompt, "No space left on device", "Free some space")


# Projecting


def test_a_projector_of_another_encoder(world, bad):
    """Nothing would tell from the words that the features mean something else."""
    tiny_face_vit(world.server.models / "stableidentity" / "face_encoders" / "other", seed=7)
    prompt = learn(world.eps, name="good", steps=1)
    prompt["other"] = node("StableIdentityLoadFaceEncoder", encoder_name="other")
    prompt["seen"] = node("StableIdentityEncodeFace", face_encoder=["other", 0], face=["face", 0])
    projecting = {"projector": ["train", 1], "name_space": ["names", 0], "trigger": "anna"}
    prompt["project"] = node("StableIdentityProject", face=["seen", 0], **projecting)
    prompt["save"] = node("StableIdentitySave", identity=["project", 0], name="bad", if_exists="stop")
    bad.refused(prompt, "encoded by vit:", "trained with vit:", "same encoder")
    prompt["project"]["inputs"]["face"] = ["face", 0]
    bad.refused(prompt, "no feature", "Encode Face")


# Settings


@pytest.mark.parametrize(
    ("setting", "needed", "by"),
    [
        ({"steps": 0}, ("Value 0 smaller than min of 1",), "the schema"),
        ({"learning_rate": 0.0}, ("Value 0.0 smaller than min of 1e-07",), "the schema"),
        ({"learning_rate": 2.0}, ("Value 2.0 bigger than max of 1.0",), "the schema"),
        ({"learning_rate": float("nan")}, ("learning_rate is nan", "above 0"), "our node"),
        ({"resolution": 32}, ("Value 32 smaller than min of 64",), "the schema"),
        ({"resolution": 100}, ("resolution is 100", "multiple of 8"), "our node"),
        ({"batch_size": 0}, ("Value 0 smaller than min of 1",), "the schema"),
        ({"alpha": 1.5}, ("Value 1.5 bigger than max of 1.0",), "the schema"),
        ({"normalization": "batch"}, ("Value not in list",), "the schema"),
        ({"seed": -1}, ("Value -1 smaller than min of 0",), "the schema"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range(world, bad, setting, needed, by):
    bad.refused(learn(world.eps, name="bad", **setting), *needed, by=by)


def test_after_all_this_a_training_gives_the_same_words(bad):
    bad.good("all of this", train=True)
