"""Our own identity file, and that other readers take it."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from helpers.make import randn, some_identity
from stableidentity_core.errors import DamagedFileError, FileTakenError, MissingFileError, StableIdentityError
from stableidentity_core.identity import Identity, load_identity, save_identity


@pytest.fixture
def path(tmp_path):
    return tmp_path / "anna.safetensors"


def header_of(path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def test_words_come_back_bit_by_bit_with_trigger_and_header(path):
    identity = some_identity(steps="450", settings='{"alpha": 0.6}')
    save_identity(identity, path)
    back = load_identity(path)
    assert back.words.keys() == {"clip_h"}
    assert back.words["clip_h"].numpy().tobytes() == identity.words["clip_h"].numpy().tobytes()
    assert back.trigger == "<anna>" and identity.header.items() <= back.header.items()


def test_it_holds_one_tensor_whose_key_is_the_trigger(path):
    save_identity(some_identity(), path)
    tensors = load_file(path)  # the plain safetensors reader, as others use it
    assert list(tensors) == ["<anna>"]
    assert tensors["<anna>"].shape == (2, 1024) and tensors["<anna>"].dtype == torch.float32


def test_the_header_says_what_it_is(path):
    save_identity(some_identity(method="stableidentity", steps="450"), path)
    assert header_of(path) == {
        "format": "stableidentity-1",
        "trigger": "<anna>",
        "text_space": "clip_h",
        "text_width": "1024",
        "method": "stableidentity",
        "steps": "450",
    }


def test_two_text_spaces_stand_under_the_names_that_sdxl_readers_look_for(path):
    words = {"clip_g": randn(2, 1280), "clip_l": randn(2, 768, seed=1)}
    save_identity(Identity(trigger="anna", words=words), path)
    assert {key: tuple(value.shape) for key, value in load_file(path).items()} == {
        "clip_g": (2, 1280),
        "clip_l": (2, 768),
    }
    back = load_identity(path)
    assert back.trigger == "<anna>" and back.words.keys() == words.keys()
    assert all(torch.equal(back.words[space], words[space]) for space in words)


@pytest.mark.parametrize(
    "widths",
    [
        {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096},
        {"llama": 4096, "t5xxl": 4096},
        {"qwen25_7b": 3584},
        {"t5xxl": 4096},
        {"clip_l": 1280},
        {"clip_h": 5},
        {"a-space.of_my-own": 768},
        {"x": 768, "y": 768},
    ],
    ids=lambda widths: "+".join(widths),
)
def test_every_text_space_comes_back(path, widths):
    """The header says which they are, whatever their widths and names."""
    words = {space: randn(3, width, seed=width) for space, width in widths.items()}
    save_identity(Identity(trigger="anna", words=words), path)
    back = load_identity(path)
    assert back.trigger == "<anna>" and back.words.keys() == words.keys()
    assert all(torch.equal(back.words[space], words[space]) for space in words)
    save_identity(back, path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("space", ["", "a,b", "__metadata__", "a b", "<x>"])
def test_a_text_space_must_have_a_plain_name(space):
    with pytest.raises(StableIdentityError, match=r"have the text space .*, needed a name of letters"):
        Identity(trigger="anna", words={space: randn(2, 768)})


@pytest.mark.parametrize(
    ("tensors", "header"),
    [
        ({"clip_l": randn(2, 768)}, {}),
        ({"<anna>": randn(2, 768)}, {"text_space": "clip_l,clip_g", "text_width": "768,1280"}),
        ({"clip_l": randn(2, 768), "x": randn(2, 768, seed=1)}, {"text_space": "clip_l", "text_width": "768"}),
        ({"<anna>": randn(2, 768)}, {"text_space": "clip_h", "text_width": "1024"}),
        ({"<anna>": randn(2, 768)}, {"text_space": "clip_l"}),
        ({"<anna>": torch.tensor(1.0)}, {"text_space": "clip_l", "text_width": "768"}),
    ],
)
def test_a_header_that_contradicts_its_tensors_is_refused(path, tensors, header):
    save_file(tensors, path, {"format": "stableidentity-1", "trigger": "<anna>", **header})
    said = r"contains .* according to its header, but its tensors are .*use the original"
    with pytest.raises(StableIdentityError, match=said):
        load_identity(path)


def test_an_older_file_is_replaced_only_if_wanted(path):
    save_identity(some_identity(), path)
    before = path.read_bytes()
    with pytest.raises(FileTakenError):
        save_identity(some_identity(seed=1), path, replace=False)
    assert path.read_bytes() == before
    save_identity(some_identity(seed=1), path)
    assert path.read_bytes() != before


def test_diffusers_loads_it_under_the_trigger_with_equal_embeddings(path, sd_folder):
    pipeline = StableDiffusionPipeline.from_pretrained(sd_folder)
    width = pipeline.text_encoder.config.hidden_size
    identity = some_identity(width)
    save_identity(identity, path)
    pipeline.load_textual_inversion(path)
    prompt = pipeline.maybe_convert_prompt("a photo of <anna> in the snow", pipeline.tokenizer)
    ids = pipeline.tokenizer(prompt, add_special_tokens=False).input_ids
    assert len(ids) == len(pipeline.tokenizer("a photo of in the snow", add_special_tokens=False).input_ids) + 2
    table = pipeline.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[ids[3:5]], identity.words["clip_h"])


def test_equal_content_gives_equal_bytes_whatever_the_order_of_the_header(tmp_path):
    facts = {f"fact {i}": str(i) for i in range(20)}
    backwards = dict(reversed(facts.items()))
    for name, header in (("a", facts), ("b", backwards)):
        save_identity(some_identity(**header), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_identity(some_identity(seed=1, **facts), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_half_precision_words_are_written_as_float32(path):
    words = randn(2, 1024).half()
    save_identity(Identity(trigger="anna", words={"clip_h": words}), path)
    assert torch.equal(load_identity(path).words["clip_h"], words.float())


def test_a_header_of_any_language_survives(path):
    note = 'quotes " and \\ and \n lines, 安娜, é'
    save_identity(some_identity(note=note), path)
    assert load_identity(path).header["note"] == note
    blob = path.read_bytes()
    length = int.from_bytes(blob[:8], "little")
    assert length % 8 == 0 and json.loads(blob[8 : 8 + length])["__metadata__"]["note"] == note


def test_another_trigger_may_be_asked_for(path):
    save_identity(some_identity(), path)
    assert load_identity(path, "bob").trigger == "<bob>"
    with pytest.raises(StableIdentityError, match="'b b'"):
        load_identity(path, "b b")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_told_with_path_and_size(path, share):
    save_identity(some_identity(), path)
    content = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{path} \({len(content):,} bytes\)"):
        load_identity(path)


def test_a_missing_file_and_a_folder_are_told_by_path(tmp_path):
    with pytest.raises(MissingFileError, match=f"{tmp_path}/none.safetensors cannot be read: it does not exist"):
        load_identity(tmp_path / "none.safetensors")
    with pytest.raises(DamagedFileError, match=f"{tmp_path} is a folder, needed a file"):
        load_identity(tmp_path)


@pytest.mark.parametrize(
    "words,message",
    [
        ({}, "has no words"),
        ({"clip_h": randn(1024)}, "words of clip_h has shape"),
        ({"clip_h": torch.zeros(0, 1024)}, "empty or not finite"),
        ({"clip_h": torch.full((2, 4), float("nan"))}, "empty or not finite"),
    ],
)
def test_an_identity_without_usable_words_cannot_be_made(words, message):
    with pytest.raises(StableIdentityError, match=message):
        Identity(trigger="anna", words=words)


def test_the_content_hash_is_of_the_words_alone():
    anna, bob = some_identity(), some_identity(trigger="bob", steps="3")
    assert anna.content_hash == bob.content_hash == anna.renamed("carl").content_hash
    assert anna.content_hash != some_identity(seed=1).content_hash
