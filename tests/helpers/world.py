"""What the server needs for learning: tiny models, a tiny face encoder and a portrait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from helpers.server import ComfyServer
from helpers.tiny import tiny_face_vit, tiny_sd, tiny_sd15, tiny_sdxl


@dataclass(frozen=True, kw_only=True)
class World:
    server: ComfyServer
    eps: Path  # tiny SD2, noise prediction
    v: Path  # tiny SD2, velocity prediction
    sd15: Path  # tiny SD1.5
    sdxl: Path  # tiny SDXL

    def embedding(self, name: str) -> Path:
        return self.server.models / "embeddings" / f"{name}.safetensors"

    @property
    def trained(self) -> list[Path]:
        """The words of all stored trainings."""
        return sorted(path for path in self.store.glob("*.safetensors") if path.name.count(".") == 1)

    @property
    def store(self) -> Path:
        return self.server.user / "stableidentity" / "trained"


def make_world(server: ComfyServer, folder: Path) -> World:
    import skimage.data

    Image.fromarray(skimage.data.astronaut()).save(server.input / "astronaut.png")
    tiny_face_vit(server.models / "stableidentity" / "face_encoders" / "tiny")
    return World(
        server=server,
        eps=tiny_sd(folder / "eps"),
        v=tiny_sd(folder / "v", prediction="v_prediction", seed=10),
        sd15=tiny_sd15(folder / "sd15"),
        sdxl=tiny_sdxl(folder / "sdxl"),
    )
