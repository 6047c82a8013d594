"""ComfyUI's own Train LoRA on people of the mini world, in the real server: trained, painted, and what it costs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from stableidentity_core.comfyui import ComfyServer
from stableidentity_core.errors import HostError

ROOT = Path(__file__).resolve().parents[1]
PACK = "ComfyUI-StableIdentity"
WORD = "sks person"
LIMIT = 1800  # seconds of a prompt
# What the node shows when it is added.
DEFAULTS = {
    "batch_size": 1,
    "grad_accumulation_steps": 1,
    "steps": 16,
    "learning_rate": 0.0005,
    "rank": 8,
    "optimizer": "AdamW",
    "loss_function": "MSE",
    "seed": 0,
    "training_dtype": "bf16",
    "lora_dtype": "bf16",
    "quantized_backward": False,
    "algorithm": "LoRA",
    "gradient_checkpointing": True,
    "checkpoint_depth": 1,
    "offloading": False,
    "existing_lora": "[None]",
    "bucket_mode": False,
    "bypass_mode": False,
}
Json = dict[str, Any]


@dataclass(frozen=True)
class LoraSetting:
    """Settings of the node; all others are its defaults."""

    rank: int = 8
    learning_rate: float = 5e-4
    steps: int = 16

    def __str__(self) -> str:
        return f"rank {self.rank}, rate {self.learning_rate:g}, {self.steps} steps"


@dataclass(frozen=True)
class Sampler:
    """As the suite's sampler: KSampler does the same, step for step."""

    size: int
    steps: int
    cfg: float


class Host:
    """A ComfyUI server with the pack in it."""

    def __init__(self, comfyui: Path, folder: Path, sampler: Sampler):
        shutil.rmtree(folder, ignore_errors=True)
        self.server, self.sampler = ComfyServer(comfyui, folder, {PACK: ROOT}), sampler

    def __enter__(self) -> Host:
        self.server.start()
        self._run({**self._world(), "preview": node("PreviewAny", source=["world", 5])})  # loads and warms up
        return self

    def __exit__(self, *_error: Any) -> None:
        self.server.stop()

    def train(self, person: int, setting: LoraSetting, seed: int) -> tuple[float, int]:
        """Processor seconds of learning a person, from the picture on, and bytes of the file."""
        before = self._seconds()
        save = node("SaveLoRA", lora=["train", 0], prefix=f"loras/{person}", steps=["train", 2])
        self._run({**self._trained(person, setting, seed), "save": save})
        seconds = self._seconds() - before
        (file,) = (self.server.output / "loras").glob(f"{person}*.safetensors")
        size = file.stat().st_size
        file.unlink()
        return seconds, size

    def paint(
        self, prompts: Sequence[str], seeds: Sequence[int], of: tuple[int, LoraSetting, int] | None = None
    ) -> list[Path]:
        """A picture of each prompt with the noise of its seed; of a person, under the LoRA that was just trained."""
        graph: Json = self._world() if of is None else self._trained(*of)
        model: list[Any] = ["world", 0]
        if of is not None:
            lora = {"model": ["world", 0], "lora": ["train", 0], "strength_model": 1.0, "bypass": False}
            graph["with"], model = node("LoraModelLoader", **lora), ["with", 0]
        graph["negative"] = node("CLIPTextEncode", clip=["world", 1], text="")
        graph["latent"] = node("EmptyLatentImage", width=self.sampler.size, height=self.sampler.size, batch_size=1)
        for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            graph |= self._picture(number, prompt, seed, model)
        outputs = self._run(graph)
        return [
            self.server.output / outputs[f"save {number}"]["images"][0]["filename"] for number in range(len(prompts))
        ]

    def _picture(self, number: int, prompt: str, seed: int, model: list[Any]) -> Json:
        sampling = {
            "seed": seed,
            "steps": self.sampler.steps,
            "cfg": self.sampler.cfg,
            "sampler_name": "ddim",
            "scheduler": "ddim_uniform",
            "denoise": 1.0,
        }
        conditioning = {"positive": [f"text {number}", 0], "negative": ["negative", 0], "latent_image": ["latent", 0]}
        return {
            f"text {number}": node("CLIPTextEncode", clip=["world", 1], text=prompt),
            f"sample {number}": node("KSampler", model=model, **conditioning, **sampling),
            f"decode {number}": node("VAEDecode", samples=[f"sample {number}", 0], vae=["world", 2]),
            f"save {number}": node("SaveImage", images=[f"decode {number}", 0], filename_prefix=f"p{number}"),
        }

    def _trained(self, person: int, setting: LoraSetting, seed: int) -> Json:
        settings = {**DEFAULTS, **vars(setting), "seed": seed}
        return {
            **self._world(),
            "photo": node("StableIdentityMiniWorldPerson", person=person),
            "latents": node("VAEEncode", pixels=["photo", 0], vae=["world", 2]),
            "text": node("CLIPTextEncode", clip=["world", 1], text=f"a photo of {WORD}"),
            "train": node(
                "TrainLoraNode", model=["world", 0], latents=["latents", 0], positive=["text", 0], **settings
            ),
        }

    def _world(self) -> Json:
        return {"world": node("StableIdentityMiniWorld")}

    def _run(self, graph: Json) -> Json:
        result = self.server.run(graph, LIMIT)
        if result.status != "success":
            raise HostError(f"ComfyUI failed: {result.error}")
        return result.outputs

    def _seconds(self) -> float:
        assert self.server.process is not None
        times = psutil.Process(self.server.process.pid).cpu_times()
        return times.user + times.system


def node(kind: str, **inputs: Any) -> Json:
    return {"class_type": kind, "inputs": inputs}


def comfyui_folder() -> Path:
    """Raises HostError: COMFYUI_PATH names none."""
    folder = Path(os.environ.get("COMFYUI_PATH", ""))
    if not (folder / "main.py").is_file():
        raise HostError("Set COMFYUI_PATH to a folder of ComfyUI, whose node Train LoRA is one of the peers.")
    return folder


def moved(paths: Sequence[Path], name: Callable[[int], Path]) -> list[Path]:
    """Pictures moved to the place of each number."""
    places = [name(number) for number in range(len(paths))]
    for path, place in zip(paths, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place)
    return places
