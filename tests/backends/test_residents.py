"""The pack's face networks are loaded, counted and moved away by the host, as its own models are."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.face_nets import pointing_retinaface, random_bisenet
from helpers.make import rand
from helpers.pack import pack_module
from helpers.tiny import tiny_face_vit
from stableidentity_core.encode import ClipImageEncoder, load_face_encoder
from stableidentity_core.face import load_parser, load_retinaface

pytestmark = pytest.mark.host

HERE = torch.device("cpu", 0)  # for the host another device than torch.device("cpu"); for torch the same
PORTRAIT, PHOTO = rand(3, 512, 512), rand(1, 640, 640, 3)


def moved(module: Any, device: torch.device) -> torch.nn.Module:
    """In place of `to`: a module that is moved away loses its weights until it is moved to HERE."""
    away = getattr(module, "away", {})
    if device != HERE and not away:
        module.away = {name: value.data for name, value in module.named_parameters()}
        for value in module.parameters():
            value.data = torch.full_like(value, float("nan"))
    elif device == HERE:
        for name, value in away.items():
            module.get_parameter(name).data = value
        module.away = {}
    return module


@pytest.fixture
def host(comfyui, monkeypatch):
    """The host's model management with another device than the CPU, where a face network has weights only if loaded."""
    resident = pack_module("nodes.host.resident", comfyui)
    from comfy import model_management

    monkeypatch.setattr(model_management, "get_torch_device", lambda: HERE)
    monkeypatch.setattr(model_management, "get_all_torch_devices", lambda *_args: [HERE], raising=False)
    monkeypatch.setattr(model_management, "current_loaded_models", [])  # of other tests, some models may be loaded
    monkeypatch.setattr(resident.FaceNetwork, "to", moved)
    yield model_management
    model_management.unload_all_models()


@pytest.fixture
def resident(comfyui):
    return pack_module("nodes.host.resident", comfyui)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder of models, as the host's."""
    models = tmp_path_factory.mktemp("models")
    pointing_retinaface(models / "facedetection" / "detection_mobilenet0.25_Final.pth")
    random_bisenet(models / "facedetection" / "parsing_bisenet.pth")
    tiny_face_vit(models / "encoder")
    return models


def made(resident, files: Path, kind: str) -> tuple[Any, Callable[[Any], Tensor]]:
    """A network under the host's management, and what to compare of a call."""
    if kind == "detector":
        found = load_retinaface(files / "facedetection" / "detection_mobilenet0.25_Final.pth")
        return resident.ResidentDetector(found, found.net), lambda net: net(PORTRAIT).boxes
    if kind == "parser":
        found = load_parser(files / "facedetection" / "parsing_bisenet.pth")
        return resident.ResidentParser(found, found.network), lambda net: net(PORTRAIT)
    encoder = resident.resident_encoder(load_face_encoder(files / "encoder"))
    return encoder, lambda net: torch.cat([net(PORTRAIT[None]), net(PORTRAIT[None], mirrored=True)])


def networks(host) -> list[Any]:
    """The face networks that the host has in its list."""
    return [one.network for one in (found.model.model for found in host.current_loaded_models)]


KINDS = ["detector", "parser", "encoder"]


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_comes_and_goes_as_the_host_says(host, resident, files, kind, inference):
    with torch.inference_mode(inference):
        net, use = made(resident, files, kind)
        expected, model = use(net.plain), net.patcher.model
        model.to(torch.device("cpu"))
        assert not any(value.isfinite().any() for value in model.parameters()) and networks(host) == []
        for unload in (host.unload_all_models, lambda: host.free_memory(1e30, HERE), lambda: None):
            assert torch.equal(use(net), expected)
            assert networks(host) == [model.network] and host.current_loaded_models[0].device == HERE
            unload()
        (entry,) = host.current_loaded_models
        assert entry.model_loaded_memory() == sum(value.nbytes for value in model.state_dict().values())
        host.unload_all_models()
        assert networks(host) == [] and not any(value.isfinite().any() for value in model.parameters())
    with torch.inference_mode(not inference):
        assert torch.equal(use(net), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_the_host_moved_away_comes_back(host, resident, files, kind):
    net, use = made(resident, files, kind)
    expected = use(net)
    some = net.patcher.model_size() // 2
    net.patcher.partially_unload(net.patcher.offload_device, some)
    assert net.patcher.loaded_size() <= net.patcher.model_size() - some
    assert torch.equal(use(net), expected) and net.patcher.loaded_size() == net.patcher.model_size()


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_nobody_holds_leaves_the_list_at_once(host, resident, files, kind, caplog):
    net, use = made(resident, files, kind)
    use(net)
    assert len(networks(host)) == 1
    gc.disable()
    try:
        del net
        assert networks(host) == []
    finally:
        gc.enable()
    host.cleanup_models_gc()
    assert "leak" not in caplog.text


def test_an_encoder_without_a_network_of_its_own_stays_as_it_is(resident, files):
    plain = load_face_encoder(files / "encoder")
    managed = resident.resident_encoder(plain)
    assert (managed.name, managed.width, managed.licence) == (plain.name, plain.width, plain.licence)

    foreign = ClipImageEncoder(lambda pictures: pictures.mean((2, 3)), name="a host's own", width=3)
    assert resident.resident_encoder(foreign) is foreign


@pytest.fixture
def nodes(comfyui, files, tmp_path, monkeypatch):
    """Prepare and face nodes over the folder of models, with an empty cache."""
    import folder_paths

    monkeypatch.setattr("stableidentity_core.face.prepare.check_parts", lambda _parts: None)  # they are random
    monkeypatch.setattr(folder_paths, "models_dir", str(files))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "stableidentity", ([str(files)], set()))
    pack_module("nodes.host.face_nets", comfyui)._cached.cache_clear()
    names = ("prepare", "folder", "face", "temporal", "mini_world")
    yield {name: pack_module(f"nodes.{name}", comfyui) for name in names}
    pack_module("nodes.host.face_nets", comfyui)._cached.cache_clear()


@pytest.fixture
def threads(host, monkeypatch) -> set[threading.Thread]:
    """Those that asked the host to load."""
    found, load = set(), host.load_models_gpu

    def seen(*args, **named):
        found.add(threading.current_thread())
        return load(*args, **named)

    monkeypatch.setattr(host, "load_models_gpu", seen)
    return found


def test_prepare_face_uses_loaded_networks_and_the_host_in_its_own_thread_only(host, nodes, threads):
    with torch.inference_mode():
        (first,) = nodes["prepare"].PrepareFace.execute(PHOTO).args[0]
        there = networks(host)
        assert {type(network).__name__ for network in there} == {"RetinaFace", "BiSeNet"}
        host.unload_all_models()
        assert networks(host) == []
        (again,) = nodes["prepare"].PrepareFace.execute(PHOTO).args[0]
    assert all(one in there for one in networks(host)) and len(networks(host)) == 2, "loaded from the files again"
    assert torch.equal(first.image, again.image) and torch.equal(first.face_mask, again.face_mask)
    assert first.face_mask.any(), "a parser that marks nothing tells nothing"
    assert threads == {threading.main_thread()}


def test_a_folder_of_photos_uses_loaded_networks(host, nodes, threads, tmp_path, monkeypatch):
    from PIL import Image

    photo = (PHOTO[0] * 255).byte().numpy()
    for name in ("anna", "bert"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(nodes["folder"].paths, "input_folder", lambda _folder: tmp_path)
    with torch.inference_mode():
        faces, names, report, *_ = nodes["folder"].PrepareFolder.execute("people", "auto", "auto", 5).args
    assert names == ["anna", "bert"] and "2 of 2 photos used." in report
    assert {type(network).__name__ for network in networks(host)} == {"RetinaFace", "BiSeNet"}
    assert threads == {threading.main_thread()} and len(faces) == 2


def test_the_encoders_of_the_nodes_are_loaded_by_the_host(host, nodes, files, monkeypatch):
    monkeypatch.setattr(nodes["face"].paths, "face_encoder_path", lambda _name: files / "encoder")
    with torch.inference_mode():
        face = nodes["prepare"].PrepareFace.execute(PHOTO).args[0]
        host.unload_all_models()
        for encoder in (
            nodes["face"].LoadFaceEncoder.execute("encoder").args[0],
            nodes["mini_world"].MiniWorld.execute().args[3],
        ):
            (encoded,) = nodes["face"].EncodeFace.execute(encoder, face).args[0]
            assert networks(host) == [encoder.model]
            host.unload_all_models()
            (again,) = nodes["face"].EncodeFace.execute(encoder, face).args[0]
            assert torch.equal(encoded.feature.plain, again.feature.plain)
            clip = nodes["temporal"].TemporalScore.execute(encoder, PHOTO.expand(2, -1, -1, -1))
            assert clip.args[1] == pytest.approx(1, abs=1e-6)
            assert {type(network).__name__ for network in networks(host)} == {"ViTModel", "RetinaFace"}
            host.unload_all_models()
