"""The photo as a picture prompt: IP-Adapter (arXiv 2308.06721), by diffusers, with files that `download` places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...backends.diffusers_sd import DiffusersBackend
from ...encode.clip import build_clip
from ...encode.weight_file import read_weight_file
from ...errors import DamagedFileError, StableIdentityError
from ...evaluate.sample import first_latents
from ..bench import Bench
from ..folder import sha256_of
from ..spec import NOISES, PERSON, Sampling, as_sentence
from .base import Method, Painted

ENCODER = "ip_adapter_encoder"
BY_WIDTH = {768: "ip_adapter_face_sd15", 2048: "ip_adapter_face_sdxl"}  # of the base's text
PARTS = ("image_proj", "ip_adapter")


class IpAdapter(Method):
    """Nothing is learned: the aligned photo is a second prompt beside the text, in which the person is "a person".

    `scale` is the weight of the photo beside the text. `adapter` and `image_encoder` are files for others than the
    published ones for faces, whose names are in MODELS.md.
    """

    kind = "ip_adapter"
    options: ClassVar[Mapping[str, Any]] = {"scale": 0.7, "adapter": "", "image_encoder": ""}
    learns = False

    def depends_on(self) -> Mapping[str, Any]:
        return {"kind": self.kind, "scale": self.values["scale"]}

    def content(self, bench: Bench) -> Mapping[str, Any]:
        return {part: sha256_of(path) for part, path in zip(("adapter", "encoder"), self._files(bench), strict=True)}

    def _files(self, bench: Bench) -> tuple[Path, Path]:
        """Adapter and image encoder.

        Raises:
            StableIdentityError: none was published for this base.
            MissingFileError: a file is not there; says how to download it.
        """
        width = _unet_of(bench).config.cross_attention_dim
        adapter, encoder = (self.values[name] for name in ("adapter", "image_encoder"))
        if not adapter and width not in BY_WIDTH:
            raise StableIdentityError(
                f"IP-Adapter was published for SD1.5 and SDXL, whose text is {' and '.join(map(str, BY_WIDTH))} wide; "
                f"the text of this base is {width} wide. Use one of these bases, or leave the method out."
            )
        return (
            Path(adapter).expanduser() if adapter else bench.weight(BY_WIDTH[width]),
            Path(encoder).expanduser() if encoder else bench.weight(ENCODER),
        )

    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        photo = _as_image(bench.photo(person))
        texts = [as_sentence(prompt, PERSON) for prompt in prompts]
        with _pipeline_with(bench, *self._files(bench)) as pipeline:
            pipeline.set_ip_adapter_scale(float(self.values["scale"]))
            for seed in sampling.seeds:
                for first in range(0, len(texts), sampling.at_once):
                    part = texts[first : first + sampling.at_once]
                    noise = first_latents(
                        bench.backend, len(part), size=sampling.size, steps=sampling.steps, seed=seed * NOISES + first
                    )
                    pictures = _painted(pipeline, part, photo, noise, sampling)
                    yield from ((number, seed, picture) for number, picture in enumerate(pictures, first))


def _painted(pipeline: Any, texts: list[str], photo: Image.Image, noise: Tensor, sampling: Sampling) -> Tensor:
    """Pictures [N, 3, S, S] in 0..1, on the CPU."""
    made = pipeline(
        prompt=texts,
        negative_prompt=[sampling.negative] * len(texts),
        ip_adapter_image=photo,
        latents=noise.to(pipeline.unet.dtype),
        width=sampling.size,
        height=sampling.size,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.cfg,
        output_type="pt",
    )
    return made.images.float().cpu()


@contextmanager
def _pipeline_with(bench: Bench, adapter: Path, encoder: Path) -> Iterator[Any]:
    """A diffusers pipeline of the bench's own networks and an adapter, which are as before afterwards."""
    from transformers import CLIPImageProcessor

    backend, network = _backend_of(bench), _encoder(encoder)
    before = dict(backend.unet.attn_processors)
    side = network.config.image_size
    network.to(backend.device, backend.unet.dtype)
    pipeline = _pipeline(
        backend,
        image_encoder=network,
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
    )
    pipeline.set_progress_bar_config(disable=True)
    state = read_adapter(adapter, backend.unet.config.cross_attention_dim)
    try:
        try:
            pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0].strip().rstrip(":.")[:200]
            raise DamagedFileError(f"{adapter} does not fit the model: {reason}. Download it again.") from error
        yield pipeline
    finally:
        backend.unet.encoder_hid_proj = None
        backend.unet.config.encoder_hid_dim_type = None
        backend.unet.set_attn_processor(before)
        network.to("cpu")


def read_adapter(path: Path, width: int) -> dict[str, dict[str, Tensor]]:
    """An IP-Adapter's tensors by its two parts, as `load_ip_adapter` takes them.

    Args:
        width: of the base's text.

    Raises:
        MissingFileError, DamagedFileError: no such file, or it is no IP-Adapter.
        StableIdentityError: it is one of another base.
    """
    tensors = read_weight_file(path).tensors
    parts = {
        part: {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}
        for part in PARTS
    }
    keys = [value for key, value in parts["ip_adapter"].items() if key.endswith("to_k_ip.weight") and value.ndim == 2]
    if not keys or not parts["image_proj"]:
        raise DamagedFileError(f"{path} is no IP-Adapter: it lacks {' or '.join(PARTS)}. Download it again.")
    if keys[0].shape[1] != width:
        raise StableIdentityError(
            f"{path} is an IP-Adapter for text of width {keys[0].shape[1]}, this base has {width}. Name another file."
        )
    return parts


@lru_cache(maxsize=1)  # 2.5 GB, for one person after the other
def _encoder(path: Path) -> Any:
    return build_clip(read_weight_file(path)).model


def _pipeline(backend: DiffusersBackend, **modules: Any) -> Any:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    first, *second = backend.texts.values()
    shared: dict[str, Any] = {"vae": backend.vae, "unet": backend.unet, "scheduler": _scheduler(backend), **modules}
    shared |= {"text_encoder": first.model, "tokenizer": first.tokenizer}
    if second:
        shared |= {"text_encoder_2": second[0].model, "tokenizer_2": second[0].tokenizer}
        return StableDiffusionXLPipeline(**shared, add_watermarker=False)
    return StableDiffusionPipeline(**shared, **{"safety_checker": None, "requires_safety_checker": False})


def _scheduler(backend: DiffusersBackend) -> Any:
    """DDIM without noise over the times of `sample_pictures`."""
    from diffusers import DDIMScheduler

    cumulated = backend.objective.signal.double().square().cpu()
    betas = 1 - cumulated / torch.cat([torch.ones(1, dtype=torch.float64), cumulated[:-1]])
    prediction: Any = backend.objective.name
    return DDIMScheduler(
        num_train_timesteps=len(cumulated),
        trained_betas=betas.float().numpy(),
        prediction_type=prediction,
        timestep_spacing="leading",
        steps_offset=1,
        set_alpha_to_one=True,
        clip_sample=False,
    )


def _as_image(photo: Tensor) -> Image.Image:
    pixels = (photo.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(pixels))


def _unet_of(bench: Bench) -> Any:
    return _backend_of(bench).unet


def _backend_of(bench: Bench) -> DiffusersBackend:
    if not isinstance(bench.backend, DiffusersBackend):
        raise StableIdentityError("IP-Adapter needs a model that diffusers has loaded.")
    return bench.backend
