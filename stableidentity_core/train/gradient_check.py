"""Checking before training that the gradient reaches the words and is correct."""

from __future__ import annotations

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import TrainingError
from ..text.prompts import tokenize_templates
from ..text.start_words import start_words
from .exact_arithmetic import exact_arithmetic

STEPS = (1e-2, 1e-3)  # of the words' norm: far above fp32's rounding; the smaller one where the model bends early
TOLERANCE = 0.1  # measured: 0.0004 with correct kernels, 0.27 with one that loses the gradient of its keys
MIN_COSINE = 0.9
LATENT_SIDE = 8
ADVICE = (
    "An attention kernel without a correct backward pass is the usual cause: start ComfyUI with "
    "--use-pytorch-cross-attention."
)


def check_gradient(backend: DiffusionBackend, compare: bool) -> float:
    """Take one gradient at a name's words and, if `compare`, compare it with a finite difference.

    Attention kernels without a backward pass in some layers give wrong gradients without any error;
    the difference shows them. The comparison needs fp32: in 16 bits the difference drowns in rounding.

    Returns:
        The relative deviation from the finite difference, 0 when not compared.

    Raises:
        TrainingError: the gradient is missing, not finite, zero, or off by more than a tenth.
    """
    probe = GradientProbe(backend)
    if compare:
        return probe.deviation()
    probe.direction()
    return 0.0


def gradient_direction(backend: DiffusionBackend) -> Tensor:
    """The gradient of `check_gradient`, flat and of length one; raises as it does."""
    return GradientProbe(backend).direction()


def check_directions(rough: Tensor, exact: Tensor) -> float:
    """Compare the gradient of a 16-bit computation with that of an fp32 one; returns their cosine.

    Raises:
        TrainingError: the cosine is below 0.9 (0.999 was measured for bf16).
    """
    cosine = (rough @ exact).item()
    if cosine < MIN_COSINE:
        raise TrainingError(
            f"The gradient at the words points elsewhere in 16 bits than in fp32 (cosine {cosine:.2f}, needed "
            f"{MIN_COSINE}). {ADVICE}"
        )
    return cosine


class GradientProbe:
    """A fixed linear projection of the model's output, as a function of two words.

    It can be read while the backend computes in one way and in another, to compare the two.

    Args:
        latent_side: of the picture; the least that all networks take says enough about kernels.
    """

    def __init__(self, backend: DiffusionBackend, latent_side: int = LATENT_SIDE):
        generator = torch.Generator().manual_seed(0)
        side = latent_side * backend.latents.factor
        self.backend = backend
        self.rows = {space.name: tokenize_templates(["a photo of a {}"], space) for space in backend.text_spaces}
        self.words = {
            space.name: start_words(space)[None].to(backend.device).requires_grad_(True)
            for space in backend.text_spaces
        }
        picture = torch.rand(1, 3, side, side, generator=generator)
        self.z_t = backend.encode_posterior(picture).sample(generator)
        self.reading = torch.randn(self.z_t.shape, generator=generator).to(self.z_t)
        self.times = torch.tensor([backend.objective.time_at(0.5)], device=self.z_t.device)

    def __call__(self, words: dict[str, Tensor]) -> Tensor:
        conditioning = self.backend.encode_text(self.rows, words)
        return (self.backend.predict(self.z_t, self.times, conditioning) * self.reading).sum()

    def direction(self) -> Tensor:
        """The gradient, flat and of length one; raises TrainingError unless it is there, finite and not zero."""
        gradients, norm = self._gradients()
        return torch.cat([gradient.flatten() for gradient in gradients]) / norm

    def deviation(self) -> float:
        """How far the gradient is off, relative to a finite difference, computed in full float32.

        Raises:
            TrainingError: by more than a tenth, also with a smaller step.
        """
        with exact_arithmetic():
            gradients, norm = self._gradients()
            deviation = float("inf")
            for step in STEPS:
                deviation = min(deviation, self._deviation(gradients, norm, step))
                if deviation <= TOLERANCE:
                    return deviation
        raise TrainingError(
            f"The gradient at the words differs by {deviation:.0%} from what the model does (allowed {TOLERANCE:.0%}). "
            f"{ADVICE}"
        )

    def _deviation(self, gradients: tuple[Tensor, ...], norm: float, step: float) -> float:
        length = step * sum(value.detach().norm().item() for value in self.words.values()) / norm
        with torch.no_grad():
            ahead, behind = (
                self(
                    {
                        name: value + sign * length * gradient
                        for (name, value), gradient in zip(self.words.items(), gradients, strict=True)
                    }
                )
                for sign in (1, -1)
            )
        deviation = abs((ahead - behind).item() / (2 * length * norm**2) - 1)
        return deviation if deviation == deviation else float("inf")

    def _gradients(self) -> tuple[tuple[Tensor, ...], float]:
        """Gradients at the words and their norm; raises unless it is a number above zero."""
        words, output = list(self.words.values()), self(self.words)
        gradients = torch.autograd.grad(output, words, allow_unused=True) if output.requires_grad else ()
        norm = _norm(gradients)
        if norm is not None and not norm < float("inf"):  # also when it is NaN
            raise TrainingError(
                f"The gradient at the words is {norm} before the first step: the model's numbers are not finite. Load "
                "MODEL and CLIP in bf16 or fp32 (fp16 may overflow). If they are, the file is damaged: download it "
                "again."
            )
        if not norm:
            raise TrainingError(
                f"The gradient at the words is {'missing' if norm is None else norm} before the first step. Something "
                "in the model blocks it: remove nodes that replace its attention (sage, flash), or use bf16 or fp32 "
                "weights."
            )
        return gradients, norm


def _norm(gradients: tuple[Tensor | None, ...]) -> float | None:
    if not gradients or any(gradient is None for gradient in gradients):
        return None
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]).norm().item()
