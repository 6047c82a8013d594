"""ComfyUI's MODEL, CLIP and VAE as a DiffusionBackend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from comfy import model_management
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn

from ...stableidentity_core.backends.protocol import Conditioning, Prediction
from ...stableidentity_core.errors import WrongModelError
from ...stableidentity_core.fingerprint import fingerprint_tensors
from ...stableidentity_core.words.place import PromptRows
from .checks import check_trio, sampling_kinds
from .text import HostText, trainable_text

WORKING_MEMORY = 3 << 30  # bytes: activations of SD2.1 at 512 pixels, fp16, with the text encoder's


class ComfyBackend:
    """A DiffusionBackend over the host's own modules; made by `comfy_backend`."""

    name = "comfyui"

    def __init__(self, model: Any, text: HostText, vae: Any, prediction: Prediction, fingerprint: str):
        self.model = model
        self.text = text
        self.vae = vae
        self.prediction = prediction
        self.device: torch.device = model.load_device
        self.unet = model.get_model_object("diffusion_model")
        self.dtype: torch.dtype = _compute_dtype(model)
        sigmas = model.get_model_object("model_sampling").sigmas.detach().double().cpu()
        self.alphas_cumprod = (1 / (1 + sigmas**2)).float().to(self.device)
        self.latent_format = model.model.latent_format
        self.latent_scale: float = self.latent_format.scale_factor
        self.latent_factor: int = vae.downscale_ratio
        self.text_spaces = (text.space,)
        self._fingerprint = fingerprint

    def tokenize(self, space: str, text: str) -> list[int]:
        return self.text.tokenize(text)

    def embed_tokens(self, space: str, ids: Tensor) -> Tensor:
        return self.text.embed_tokens(ids)

    def encode_image(self, images: Tensor, generator: torch.Generator) -> Tensor:
        with torch.no_grad(), _sampled_posterior(self.vae, generator):
            latents = self.vae.encode(images.movedim(1, -1))
        return self.latent_format.process_in(latents.clone().float()).to(self.device)

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        self._load()
        space = self.text.space.name
        return Conditioning(context=self.text.encode(rows[space], words[space], self.device))

    def predict(self, z_t: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        # A fresh dict each time: the host's UNet writes into the one it is given.
        options = {
            "optimized_attention_override": lambda _attention, *args, **kwargs: attention_pytorch(*args, **kwargs)
        }
        output = self.unet(
            z_t.to(self.dtype),
            timesteps.float(),
            context=conditioning.context.to(self.device, self.dtype),
            transformer_options=options,
        )
        return output.float()

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_cancelled(self) -> None:
        model_management.throw_exception_if_processing_interrupted()

    def _load(self) -> None:
        """Bring both models to the device, and back if another model pushed them out."""
        patchers = [self.model, self.text.clip.patcher]
        model_management.load_models_gpu(patchers, memory_required=WORKING_MEMORY, force_full_load=True)
        for module in (self.unet, self.text.encoder):
            _make_trainable_through(module)


@contextmanager
def comfy_backend(model: Any, clip: Any, vae: Any) -> Iterator[ComfyBackend]:
    """Make a backend of clones and leave the host as it was found.

    Everything that is to carry gradients must be made inside this context: ComfyUI runs nodes in
    inference mode, and a tensor from there would silently take no gradient.

    Raises:
        WrongModelError: the three do not fit the method or each other.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        prediction = check_trio(model, HostText(clip), vae)
        fingerprint = model_fingerprint(model, clip)
        model, clip = _static_clone(model), _static_clip(clip)
        _choose_compute_dtype(model)
        text = HostText(clip)
        for module in (model.model, clip.cond_stage_model):
            stack.enter_context(_frozen(module))
        stack.enter_context(trainable_text(clip))
        stack.enter_context(_host_told_of_training())
        backend = ComfyBackend(model, text, vae, prediction, fingerprint)
        backend._load()
        try:
            yield backend
        finally:
            model_management.soft_empty_cache()


def model_fingerprint(model: Any, clip: Any) -> str:
    """Hash of MODEL and CLIP, with what LoRA and sampling nodes have added to them."""
    parts: dict[str, Tensor] = {}
    for what, patcher in (("model", model), ("clip", clip.patcher)):
        weights = patcher.model.diffusion_model if what == "model" else patcher.model
        parts |= {f"{what}.{name}": value for name, value in weights.state_dict().items()}
        for key, patches in patcher.patches.items():
            parts |= {
                f"{what}.patch.{key}.{i}.{name}": value
                for i, patch in enumerate(patches)
                for name, value in _leaves(patch)
            }
    parts["sigmas"] = model.get_model_object("model_sampling").sigmas
    kinds = sampling_kinds(model.get_model_object("model_sampling"))
    parts[f"layer {clip.layer_idx}, sampling {kinds}"] = torch.zeros(1)
    return fingerprint_tensors((name, _plain(value)) for name, value in parts.items())


def vae_fingerprint(vae: Any) -> str:
    """Hash of a VAE, which decides the latents that a training sees."""
    return fingerprint_tensors(vae.first_stage_model.state_dict().items())


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


def _static_clone(patcher: Any) -> Any:
    """A clone whose weights stay where they are; newest hosts stream weights through shared buffers."""
    if not getattr(patcher, "is_dynamic", lambda: False)():
        return patcher.clone()
    try:
        return patcher.clone(disable_dynamic=True)
    except (TypeError, RuntimeError) as error:
        raise WrongModelError(
            f"This model is loaded with dynamic VRAM and cannot be made static ({error}). "
            "Start ComfyUI with --disable-dynamic-vram to train."
        ) from error


def _static_clip(clip: Any) -> Any:
    clone = clip.clone()
    clone.patcher = _static_clone(clip.patcher)
    clone.cond_stage_model = clone.patcher.model  # the host's own clone keeps the old module here
    return clone


def _choose_compute_dtype(model: Any) -> None:
    """fp16 loses small gradients: compute fp16 weights in bf16 where the device can, else in fp32."""
    if _compute_dtype(model) == torch.float16:
        bf16 = model_management.should_use_bf16(model.load_device)
        model.set_model_compute_dtype(torch.bfloat16 if bf16 else torch.float32)


def _compute_dtype(model: Any) -> torch.dtype:
    dtype = model.get_model_object("manual_cast_dtype")
    return model.model.get_dtype() if dtype is None else dtype


def _make_trainable_through(module: nn.Module) -> None:
    """Replace inference tensors among the weights by equal normal ones, which autograd accepts."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None and parameter.is_inference():
                part._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_inference():
                part._buffers[name] = buffer.clone()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No weight takes a gradient inside; afterwards each asks for one as before."""
    asked = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    module.requires_grad_(False)
    try:
        yield
    finally:
        for name, parameter in module.named_parameters():
            if name in asked and not parameter.is_inference():
                parameter.requires_grad_(True)


@contextmanager
def _host_told_of_training() -> Iterator[None]:
    """Newest hosts keep streamed weights alive for the backward pass while this flag is set."""
    if not hasattr(model_management, "in_training"):
        yield
        return
    before = model_management.in_training
    model_management.in_training = True
    try:
        yield
    finally:
        model_management.in_training = before


class _PosteriorSample(nn.Module):
    """Stands in for the VAE's regulariser: moments [B, 2C, h, w] -> a sample [B, C, h, w]."""

    def __init__(self, generator: torch.Generator):
        super().__init__()
        self.generator = generator

    def forward(self, moments: Tensor) -> tuple[Tensor, None]:
        mean, log_variance = moments.chunk(2, dim=1)
        std = (0.5 * log_variance.clamp(-30, 20)).exp()
        return mean + std * torch.randn(mean.shape, generator=self.generator).to(mean), None


@contextmanager
def _sampled_posterior(vae: Any, generator: torch.Generator) -> Iterator[None]:
    """Let the host's VAE sample its posterior with our generator; it returns the mode otherwise."""
    stage = vae.first_stage_model
    original = getattr(stage, "regularization", None)
    if not type(original).__name__.startswith("DiagonalGaussian"):
        yield  # autoencoders without a posterior, such as TAESD
        return
    stage.regularization = _PosteriorSample(generator)
    try:
        yield
    finally:
        stage.regularization = original
