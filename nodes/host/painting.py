"""Pictures of a person that is learned, painted as the user's own KSampler would paint them."""

from __future__ import annotations

from typing import Any

import comfy.sample
import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.train.pictures import picture_prompt
from . import paths
from .any_text import host_text
from .cancel import check_cancelled
from .families import Sampling
from .out_of_memory import is_out_of_memory
from .posterior import is_video
from .prompts import apply_identities

log = get_logger(__name__)


class Painter:
    """Paints people by the host's sampler, with MODEL, CLIP and VAE as they are connected.

    After the first picture that fails, a warning is logged and no more is painted: the training counts for more.

    Args:
        prompt: with `<person>` or the person's trigger in it.
        side: of the pictures, in pixels.
        seed: of the noise; KSampler gives the same picture with it.
    """

    def __init__(self, model: Any, clip: Any, vae: Any, *, prompt: str, side: int, seed: int):
        self.model = model
        self.clip = clip
        self.vae = vae
        self.prompt = prompt
        self.side = side
        self.seed = seed
        self.failure = ""

    @property
    def sampling(self) -> Sampling:
        return host_text(self.clip).family.sampling

    def __call__(self, identity: Identity) -> Tensor | None:
        """A picture [1, side, side, 3] in 0..1; None if it failed, or one before it. A cancel passes through."""
        if self.failure:
            return None
        try:
            with torch.inference_mode():
                return self._painted(identity)
        except model_management.InterruptProcessingException:
            raise
        except Exception as error:  # whatever a connected model, LoRA or VAE does
            self.failure = f"{'out of memory: ' if is_out_of_memory(error) else ''}{error}"
        model_management.soft_empty_cache()  # here, where the error's tensors are gone
        log.warning(
            "StableIdentity: no picture of %s could be painted (%s). The training is not affected; set pictures of "
            "StableIdentity Train to 0 to paint none.",
            identity.trigger,
            self.failure,
        )
        return None

    def _painted(self, identity: Identity) -> Tensor:
        clip = apply_identities(self.clip, [identity], paths.session_folder())
        prompt = picture_prompt(self.prompt, identity.trigger)
        return paint(self.model, clip, self.vae, prompt, side=self.side, seed=self.seed)


def paint(
    model: Any, clip: Any, vae: Any, prompt: str, *, side: int, seed: int, sampling: Sampling | None = None
) -> Tensor:
    """A picture [1, side, side, 3] in 0..1 on the CPU, as KSampler paints it.

    Args:
        sampling: by default that of the base.

    Raises:
        StableIdentityError: the VAE gives no picture.
    """
    positive, negative = (clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (prompt, ""))
    sampling = sampling or host_text(clip).family.sampling
    channels, size = model.get_model_object("latent_format").latent_channels, side // vae.spacial_compression_encode()
    shape = (1, channels, 1, size, size) if is_video(vae) else (1, channels, size, size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latents = comfy.sample.sample(
        model,
        noise,
        sampling.steps,
        sampling.cfg,
        sampling.sampler,
        sampling.scheduler,
        positive,
        negative,
        torch.zeros(shape, device=model_management.intermediate_device()),
        callback=_check,
        disable_pbar=True,
        seed=seed,
    )
    pictures = vae.decode(latents)
    pictures = pictures.flatten(0, 1) if pictures.ndim == 5 else pictures  # a clip of one frame
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or not pictures.isfinite().all():
        raise StableIdentityError(f"The VAE gave no picture but {list(pictures.shape)}, or values not finite.")
    return pictures.float().cpu().clamp(0, 1)


def _check(_step: int, _x0: Tensor, _x: Tensor, _steps: int) -> None:
    check_cancelled()
