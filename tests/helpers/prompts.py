"""API-format prompts of the tests: a photo learned on tiny models, and stock nodes that use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Json = dict[str, Any]

SETTINGS = {
    "preset": "custom",
    "method": "stableidentity",
    "trigger": "anna",
    "steps": 12,
    "learning_rate": 5e-5,
    "seed": 0,
    "batch_size": 1,
    "resolution": 64,
    "alpha": 0.6,
    "hair_weight": 0.1,
    "normalization": "per_word",
    "reconstruction_latents": "unscaled",
    "loss_area": "canvas",
    "preview_every": 5,
    "force_retrain": False,
    "pictures": 0,
}


def node(kind: str, **inputs: Any) -> Json:
    return {"class_type": kind, "inputs": inputs}


def several(socket: str, *links: list[Any]) -> Json:
    """Inputs that grow: `faces.face` -> `faces.face_1`, `faces.face_2`, ..."""
    return {f"{socket}_{number}": link for number, link in enumerate(links, 1)}


def people_in(*links: list[Any]) -> Json:
    """Of Prompt with Identity and Map of Identities."""
    return several("identities.identity", *links)


def learn(
    folder: Path, *, image: str = "astronaut.png", encoder: str = "tiny", name: str = "anna", **settings: Any
) -> Json:
    """Photo -> StableIdentity Train -> Save Identity, with the loss curve previewed."""
    return {
        "trio": node("SITestTinyTrio", folder=str(folder)),
        "image": node("LoadImage", image=image),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name=encoder),
        "face": node("StableIdentityPrepareFace", image=["image", 0], find_face="off", parse_face="off"),
        "encoded": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face", 0]),
        "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
        "train": node(
            "StableIdentityTrain",
            model=["trio", 0],
            clip=["trio", 1],
            vae=["trio", 2],
            face=["encoded", 0],
            name_space=["names", 0],
            **{**SETTINGS, **settings},
        ),
        "save": node("StableIdentitySave", identity=["train", 0], name=name, if_exists="add a number"),
        "curve": node("PreviewImage", images=["train", 2]),
    }


def compare(folder: Path, a: Json, b: Json, more: Json | None = None) -> Json:
    """Two conditionings, as `a` and `b`, held against each other."""
    return {
        "trio": node("SITestTinyTrio", folder=str(folder)),
        **(more or {}),
        "a": a,
        "b": b,
        "compare": node("SITestCompare", a=["a", 0], b=["b", 0]),
    }


def sample(folder: Path, text: str, seed: int = 1) -> Json:
    """Stock prompt to picture: two steps of KSampler."""
    return {
        "trio": node("SITestTinyTrio", folder=str(folder)),
        "positive": node("CLIPTextEncode", clip=["trio", 1], text=text),
        "negative": node("CLIPTextEncode", clip=["trio", 1], text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "sampler": node(
            "KSampler",
            model=["trio", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=seed,
            steps=2,
            cfg=8.5,
            sampler_name="ddim",
            scheduler="ddim_uniform",
            denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["trio", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix=f"picture{seed}"),
    }
