"""Content hashes of the host's models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...stableidentity_core.fingerprint import fingerprint_tensors
from .cancel import check_cancelled
from .checks import sampling_kinds


def model_fingerprint(model: Any, clip: Any) -> str:
    """Hash of MODEL and CLIP, including LoRA and sampling patches, whether loaded or not."""
    parts = _weights("model", model, "diffusion_model.") | _weights("clip", clip.patcher, "")
    parts = {key: value for key, value in parts.items() if not _is_unread(key)}
    sampling = model.get_model_object("model_sampling")
    parts["sigmas"] = sampling.sigmas
    # Where weights are streamed, the dtype that they were cast to before (fp8) does not show in them.
    description = f"layer {clip.layer_idx}, sampling {sampling_kinds(sampling)}, weights {model.model.get_dtype()}"
    parts[description] = torch.zeros(1)
    return fingerprint_tensors(((name, _plain(value)) for name, value in parts.items()), on_tensor=check_cancelled)


def vae_fingerprint(vae: Any) -> str:
    """Hash of a VAE, which determines the latents that a training uses."""
    return fingerprint_tensors(vae.first_stage_model.state_dict().items(), on_tensor=check_cancelled)


def _weights(what: str, patcher: Any, prefix: str) -> dict[str, Tensor]:
    """Unpatched weights, then the patches: while a module is loaded, the host keeps patched values in it."""
    weights = dict(patcher.model.state_dict())
    weights |= {key: kept.weight for key, kept in patcher.backup.items()}
    parts = {f"{what}.{key}": value for key, value in weights.items() if key.startswith(prefix)}
    for key, patches in patcher.patches.items():
        for i, patch in enumerate(patches):
            parts |= {f"{what}.patch.{key}.{i}.{name}": value for name, value in _leaves(patch)}
    return parts


def _is_unread(key: str) -> bool:
    """Whether a weight is an unused text projection; only that of SDXL's CLIP-G is used.

    Most files lack the others, and the host then leaves them uninitialised.
    """
    return "text_projection" in key and not key.startswith("clip.clip_g.")


def _leaves(patch: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors and numbers inside a host patch: nested tuples, or adapter objects with `.weights`."""
    if isinstance(patch, Tensor):
        yield name, patch
    elif isinstance(patch, (int, float)):
        yield name, torch.tensor(float(patch))
    elif isinstance(patch, (tuple, list)):
        for i, item in enumerate(patch):
            yield from _leaves(item, f"{name}.{i}")
    elif hasattr(patch, "weights"):
        yield from _leaves(patch.weights, f"{name}.{type(patch).__name__}")


def _plain(tensor: Tensor) -> Tensor:
    return tensor.dequantize() if tensor.is_quantized else tensor
