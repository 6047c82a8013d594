"""The forward process and what a model's output says of noise and picture."""

from __future__ import annotations

from torch import Tensor

from .protocol import Prediction


def scales(alphas_cumprod: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(abar_t) and sqrt(1 - abar_t), each [B, 1, 1, 1]."""
    abar = alphas_cumprod[timesteps].float().view(-1, 1, 1, 1)
    return abar.sqrt(), (1 - abar).sqrt()


def add_noise(z0: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """z_t = sqrt(abar_t) z0 + sqrt(1 - abar_t) noise (DDPM, arXiv 2006.11239, Eq. 4)."""
    signal, sigma = scales(alphas_cumprod, timesteps)
    return signal * z0 + sigma * noise


def target(prediction: Prediction, z0: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """What the model should return: the noise, or v = sqrt(abar) noise - sqrt(1 - abar) z0 (arXiv 2202.00512)."""
    if prediction is Prediction.EPSILON:
        return noise
    signal, sigma = scales(alphas_cumprod, timesteps)
    return signal * noise - sigma * z0


def predicted_z0(
    prediction: Prediction, output: Tensor, z_t: Tensor, alphas_cumprod: Tensor, timesteps: Tensor
) -> Tensor:
    """The picture that the model's output implies (Eq. 5 of the paper for noise models)."""
    signal, sigma = scales(alphas_cumprod, timesteps)
    if prediction is Prediction.EPSILON:
        return (z_t - sigma * output) / signal
    return signal * z_t - sigma * output
