"""Folders that extra_model_paths.yaml names: face encoders load from them, and people in them keep their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.prompts import compare, node
from helpers.server import ComfyServer
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.identity import Identity, load_identity, save_identity


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """Models outside of the server's own folder."""
    folder = tmp_path_factory.mktemp("shared models")
    tiny_face_vit(folder / "people" / "face_encoders" / "elsewhere")
    tiny_sd(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def server(comfyui: Path, shared: Path, tmp_path_factory) -> Iterator[ComfyServer]:
    config = shared / "extra.yaml"
    config.write_text(f"other:\n  base_path: {shared}\n  stableidentity: people\n  embeddings: embeddings\n")
    options = ["--extra-model-paths-config", config]
    running = ComfyServer(comfyui, tmp_path_factory.mktemp("base"), options=options).start()
    yield running
    running.stop()


def test_encoders_of_an_extra_folder_are_listed_and_load(server):
    _kind, *rest = server.object_info("StableIdentityLoadFaceEncoder")["input"]["required"]["encoder_name"]
    assert "elsewhere" in str([_kind, *rest])
    image = node("EmptyImage", width=128, height=128, batch_size=1, color=0x8899AA)
    prompt = {
        "image": image,
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="elsewhere"),
        "face": node("StableIdentityPrepareFace", image=["image", 0]),
        "encoded": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face", 0]),
        "shown": node("SITestFeature", face=["encoded", 0]),
    }
    result = server.run(prompt)
    assert result.status == "success", result.error
    assert len(result.outputs["shown"]["feature"]) == 32


def someone(path: Path, trigger: str, seed: int) -> Path:
    words = torch.randn(2, 64, generator=torch.Generator().manual_seed(seed)) * 0.1
    save_identity(Identity(trigger=trigger, words={"clip_h": words}), path)
    return path


def saving(name: str, if_exists: str = "add a number"):
    return {
        "who": node("StableIdentityLoad", name="source.safetensors", trigger=""),
        "save": node("StableIdentitySave", identity=["who", 0], name=name, if_exists=if_exists),
    }


@pytest.fixture
def source(server) -> Path:
    return someone(server.models / "embeddings" / "source.safetensors", "anna", 1)


@pytest.mark.parametrize("where", ["below", "elsewhere"])
def test_what_save_says_to_type_is_that_person(server, shared, source, where):
    """Another person has the name in a folder below, or in a folder of another program."""
    root = server.models / "embeddings" if where == "below" else shared / "embeddings"
    stranger = someone(root / "people" / f"{where}.safetensors", "bert", 2)
    result = server.run(saving(where))
    assert result.outputs["save"]["text"] == [f"{where}-2.safetensors: type embedding:{where}-2 in a prompt"]
    prompt = compare(
        shared / "tiny",
        node("CLIPTextEncode", clip=["trio", 1], text=f"a photo of embedding:{where}-2"),
        node("CLIPTextEncode", clip=["trio", 1], text="a photo of embedding:source"),
    )
    assert server.run(prompt).outputs["compare"]["difference"] == [0]
    refused = server.run(saving(where, "stop"))
    assert refused.status == "error" and f"embedding:{where} already refers to {stranger}" in refused.error
    replaced = server.run(saving(where, "replace"))
    assert replaced.outputs["save"]["text"][0].endswith(
        f"{where}.safetensors: type embedding:people/{where} in a prompt"
    )
    assert load_identity(stranger).trigger == "<anna>" and not (root / f"{where}.safetensors").exists()


def test_saving_again_is_asked_for_when_a_folder_of_another_program_changed(server, shared, source):
    """Else the host would take the answer of before from its cache."""
    first = server.run(saving("again"))
    assert "save" in server.run(saving("again")).cached_nodes
    someone(shared / "embeddings" / "deep" / "again.safetensors", "bert", 3)
    second = server.run(saving("again"))
    assert [run.outputs["save"]["text"][0].split(":")[0] for run in (first, second)] == [
        "again.safetensors",
        "again-2.safetensors",
    ]
