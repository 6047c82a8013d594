"""Loading diffusers folders and single-file checkpoints as a backend."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..errors import MissingFileError, StableIdentityError, WrongModelError
from ..files.readable import library_reads, path_kind, read_json_object
from .diffusers_sd import DiffusersBackend

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    Pipeline = StableDiffusionPipeline | StableDiffusionXLPipeline


def load_diffusers(
    path: Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, v_prediction: bool = False
) -> DiffusersBackend:
    """Load SD1.5, SD2.x or SDXL from a diffusers folder, or SD2.x from a single `.safetensors`/`.ckpt` file.

    Args:
        v_prediction: for single files, which do not say what they predict (768-v does).

    Raises:
        MissingFileError, WrongModelError, StableIdentityError.
    """
    if find_spec("diffusers") is None:
        raise StableIdentityError("The command line needs diffusers. Run: pip install diffusers accelerate")
    standing = path_kind(path)
    if standing == "folder":
        with library_reads(path, "a diffusers folder", "Download the folder again, whole."):
            pipeline = _load_folder(path, dtype)
    elif standing == "file":
        pipeline = _load_single_file(path, dtype, v_prediction)
    else:
        raise MissingFileError(f"No model at {path}; needed a diffusers folder or a single .safetensors file.")
    return DiffusersBackend(pipeline.to(device))


def _load_folder(path: Path, dtype: torch.dtype) -> Pipeline:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    index = path / "model_index.json"
    if path_kind(index) == "nothing":
        raise MissingFileError(f"{path} has no model_index.json, so it is not a diffusers folder.")
    kind = str(read_json_object(index, "the index of a diffusers folder").get("_class_name", "nothing"))
    if kind.startswith("StableDiffusionXL"):
        return _upcast_vae(StableDiffusionXLPipeline.from_pretrained(path, dtype=dtype))
    if kind.startswith("StableDiffusion3") or not kind.startswith("StableDiffusion"):
        raise WrongModelError(f"{path} is a {kind}, needed a StableDiffusionPipeline or StableDiffusionXLPipeline.")
    return StableDiffusionPipeline.from_pretrained(
        path, dtype=dtype, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def _upcast_vae(pipeline: StableDiffusionXLPipeline) -> StableDiffusionXLPipeline:
    """SDXL's own VAE overflows in fp16, and says so."""
    if pipeline.vae.dtype == torch.float16 and pipeline.vae.config.force_upcast:
        pipeline.vae.float()
    return pipeline


def _load_single_file(path: Path, dtype: torch.dtype, v_prediction: bool) -> StableDiffusionPipeline:
    from .sd2_files import sd2_configuration

    with tempfile.TemporaryDirectory() as folder:
        return sd2_configuration(Path(folder), v_prediction).load(path, dtype)
