"""A real ComfyUI with the pack, the test pack and tiny models, and the prompts that parts of the campaign queue."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from PIL import Image
from safetensors.torch import save_file

from campaign.generated.identities import words
from helpers.make import some_face
from helpers.prompts import Json, learn, node, people_in, sample
from helpers.server import ComfyServer
from helpers.tiny import tiny_video_unet
from helpers.world import World, make_world
from stableidentity_core.identity import Identity, load_identity, save_identity

WIDTH = 64  # of the tiny SD2's words
VIDEO = "campaign.safetensors"


@contextmanager
def running(host: Path, folder: Path, options: Sequence[str] = ()) -> Iterator[World]:
    """A server that is stopped at the end, whatever happens."""
    server = ComfyServer(host, folder / "comfyui", options=options).start()
    try:
        yield make_world(server, folder / "models")
    finally:
        server.stop()


def with_people(world: World) -> None:
    """Two people of the tiny SD2's width, a folder of photos, and a video model."""
    for number, name in enumerate(("anna", "ben")):
        save_identity(Identity(trigger=name, words={"clip_h": words(number, 2, WIDTH) * 0.1}), world.embedding(name))
    people = world.server.input / "people"
    people.mkdir(exist_ok=True)
    for seed in range(4):
        photo = (some_face(seed=seed).image.movedim(0, -1) * 255).byte().numpy()
        Image.fromarray(photo).save(people / f"{seed}.png")
    videos = world.server.models / "text2video"
    videos.mkdir(parents=True, exist_ok=True)
    save_file(tiny_video_unet().state_dict(), videos / VIDEO)


def many_photos(world: World, name: str, count: int, side: int = 1200) -> None:
    """A folder of one photo under many names."""
    folder = world.server.input / name
    folder.mkdir()
    photo = Image.open(world.server.input / "astronaut.png").convert("RGB").resize((side, side))
    photo.save(folder / "0.png", compress_level=1)
    for number in range(1, count):
        os.link(folder / "0.png", folder / f"{number}.png")


def saving(world: World, name: str, seed: int, if_exists: str, **settings: object) -> Json:
    """Photo -> training -> Save Identity."""
    prompt = learn(world.eps, name=name, seed=seed, **{"steps": 3, "preview_every": 0, **settings})
    prompt["save"]["inputs"]["if_exists"] = if_exists
    return prompt


def encoding(world: World, text: str, who: str = "anna") -> Json:
    """Load Identity -> Prompt with Identity, and the same by Apply Identity."""
    return {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "who": node("StableIdentityLoad", name=f"{who}.safetensors", trigger=""),
        "encoded": node("StableIdentityEncodePrompt", clip=["trio", 1], text=text, **people_in(["who", 0])),
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["who", 0], trigger=""),
        "stock": node("CLIPTextEncode", clip=["applied", 0], text=text),
        "out": node("SITestCompare", a=["encoded", 0], b=["stock", 0]),
    }


def mixing(world: World, seed: int, name: str) -> Json:
    """Somebody drawn and mixed with others, saved and mapped."""
    return {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
        "anna": node("StableIdentityLoad", name="anna.safetensors", trigger=""),
        "drawn": node("StableIdentitySample", name_space=["names", 0], seed=seed, trigger="drawn"),
        "mix": node(
            "StableIdentityMix",
            identity=["anna", 0],
            identity_2=["drawn", 0],
            name_space=["names", 0],
            trigger="mix",
            weight=1.0,
            weight_2=1.0,
        ),
        "save": node("StableIdentitySave", identity=["mix", 0], name=name, if_exists="replace"),
        "map": node("StableIdentityMap", name_space=["names", 0], method="PCA", **people_in(["mix", 0])),
        "shown": node("PreviewImage", images=["map", 0]),
    }


def folder_of_people(world: World, folder: str = "people", **train: object) -> Json:
    """A folder of photos -> Train Projector."""
    settings = {"steps": 2, "batch_size": 2, "resolution": 64, "seed": 0, "learning_rate": 1e-3, "hair_weight": 1.0}
    return {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="tiny"),
        "folder": node(
            "StableIdentityPrepareFolder", folder=folder, find_face="off", parse_face="off", at_most=100_000
        ),
        "train": node(
            "StableIdentityTrainProjector",
            model=["trio", 0],
            clip=["trio", 1],
            vae=["trio", 2],
            face=["folder", 0],
            face_encoder=["encoder", 0],
            warm_start="no",
            preview_every=0,
            **{**settings, **train},
        ),
        "save": node("StableIdentitySaveProjector", projector=["train", 0], name="campaign"),
    }


def scoring(world: World, frames: int, side: int = 64) -> Json:
    return {
        "image": node("EmptyImage", width=side, height=side, batch_size=frames, color=0x808080),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="tiny"),
        "score": node(
            "StableIdentityTemporalScore",
            face_encoder=["encoder", 0],
            frames=["image", 0],
            find_face="off",
            which_face="largest",
            download=False,
        ),
        "shown": node("PreviewImage", images=["score", 2]),
    }


def moving(world: World, frames: int, steps: int, seed: int) -> Json:
    """A clip by the tiny text-to-video model in windows."""
    prompt = sample(world.eps, "a photo of embedding:anna", seed)
    prompt["video"] = node("StableIdentityLoadVideoModel", model_name=VIDEO, weight_dtype="default")
    prompt["windows"] = node("StableIdentityVideoWindows", model=["video", 0], length=4, overlap=2, share_noise=True)
    prompt["latent"] = node(
        "StableIdentityEmptyVideoLatent", preset="own size", width=64, height=64, length=frames, fps=8
    )
    prompt["sampler"]["inputs"] |= {"model": ["windows", 0], "steps": steps}
    return prompt


def drawn(random: Random) -> Json:
    """The mini world: a drawn person, prepared and projected without a training."""
    return {
        "world": node("StableIdentityMiniWorld"),
        "person": node("StableIdentityMiniWorldPerson", person=random.randrange(10_000)),
        "face": node(
            "StableIdentityPrepareFace", image=["person", 0], face_mask=["person", 1], find_face="off", parse_face="off"
        ),
        "encoded": node("StableIdentityEncodeFace", face_encoder=["world", 3], face=["face", 0]),
        "names": node("StableIdentityNameSpace", clip=["world", 1], names=""),
        "project": node(
            "StableIdentityProject", face=["encoded", 0], projector=["world", 4], name_space=["names", 0], trigger="x"
        ),
        "save": node("StableIdentitySave", identity=["project", 0], name="drawn", if_exists="replace"),
        "overlay": node("PreviewImage", images=["face", 5]),
    }


def whole_identities(folder: Path) -> dict[str, Identity]:
    """Every identity of a folder; raises when one is half."""
    return {path.stem: load_identity(path) for path in sorted(folder.rglob("[!.]*.safetensors"))}
