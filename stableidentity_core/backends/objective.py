"""What a diffusion model was trained to predict: one class for each training objective.

An objective knows how a latent is noised, what the model's output should be, what picture and noise it implies, and to
which phase of the two-phase loss (Eq. 6) a time belongs. A time is an index into a table of T noise levels, 0 the least
noisy. To add an objective, write a subclass here, or anywhere else, and give it to a backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import StableIdentityError, WrongModelError
from ..shapes import check_shape

SD_BETAS, SD_STEPS = (0.00085, 0.012), 1000  # of the noise schedule of SD, whose square roots are evenly spaced


class Objective(ABC):
    """z_t = signal_t z_0 + sigma_t noise, and what the model predicts of it.

    Args:
        signal, sigma: [T] float32, the share of the picture and of the noise at each level, on the model's device.

    Raises:
        ShapeError: tables of different lengths.
        StableIdentityError: no levels, or some that are not finite; pure noise where the objective cannot take it.
    """

    name: ClassVar[str]  # as diffusers writes it in the configuration of a scheduler
    least_signal: ClassVar[float] = 0.0  # at any level

    def __init__(self, signal: Tensor, sigma: Tensor):
        sizes = check_shape(signal, "t", "signal levels")
        check_shape(sigma, "t", "noise levels", t=sizes["t"])
        unusable = int((~(signal.isfinite() & sigma.isfinite() & (signal >= self.least_signal))).sum())
        if unusable or not len(signal):
            raise StableIdentityError(
                f"{unusable} of the model's {len(signal)} noise levels are pure noise or not finite, and a model that "
                f"predicts {self.name} cannot learn from. Use the model with its own noise schedule."
            )
        self.signal = signal
        self.sigma = sigma

    def __len__(self) -> int:
        """T, the number of noise levels."""
        return len(self.signal)

    def sample_times(self, count: int, generator: torch.Generator) -> Tensor:
        """[count] int64 on the CPU, each level equally likely."""
        return torch.randint(len(self), (count,), generator=generator)

    def time_at(self, share: float) -> int:
        """The level at a share 0..1 of the table; 0.5 is the one in the middle."""
        return min(int(share * len(self)), len(self) - 1)

    def model_times(self, times: Tensor) -> Tensor:
        """What the model takes for these times: [B]."""
        return times

    def in_noise_phase(self, times: Tensor, alpha: float) -> Tensor:
        """[B] bool: t >= alpha T, where the loss is taken on the noise; below it is taken on the picture (Eq. 6)."""
        return times >= alpha * len(self)

    def add_noise(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """z_t [B, C, h, w] of latents and noise of the same shape, at times [B]."""
        signal, sigma = self._levels(times, z0)
        return signal * z0 + sigma * noise

    @abstractmethod
    def target(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the model should return."""

    @abstractmethod
    def predicted_z0(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        """The picture that the model's output implies."""

    @abstractmethod
    def predicted_noise(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        """The noise that the model's output implies."""

    def noise_error(self, output: Tensor, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the loss of the noise phase squares: [B, C, h, w]."""
        return output - self.target(z0, noise, times)

    def _levels(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and sigma at times [B], each [B, 1, 1, ...] with as many axes as `like`."""
        shape = (-1, *[1] * (like.ndim - 1))
        return self.signal[times].view(shape), self.sigma[times].view(shape)


class VariancePreserving(Objective):
    """signal^2 + sigma^2 = 1, as in DDPM (arXiv 2006.11239, Eq. 4).

    Args:
        alphas_cumprod: [T] float32, abar_t of the noise schedule.
    """

    def __init__(self, alphas_cumprod: Tensor):
        super().__init__(alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt())


class Epsilon(VariancePreserving):
    """The model predicts the noise (arXiv 2006.11239): SD1, SD2.1-base, SDXL."""

    name = "epsilon"
    least_signal = 1e-6

    def target(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return noise

    def predicted_z0(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        signal, sigma = self._levels(times, z_t)
        return (z_t - sigma * output) / signal

    def predicted_noise(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        return output


class VPrediction(VariancePreserving):
    """The model predicts v = signal noise - sigma z_0 (arXiv 2202.00512): SD2.1-768."""

    name = "v_prediction"

    def target(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        signal, sigma = self._levels(times, z0)
        return signal * noise - sigma * z0

    def predicted_z0(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        signal, sigma = self._levels(times, z_t)
        return signal * z_t - sigma * output

    def predicted_noise(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        signal, sigma = self._levels(times, z_t)
        return sigma * z_t + signal * output


class Flow(Objective):
    """Flow matching (arXiv 2210.02747, 2209.03003): z_s = (1 - s) z_0 + s noise, the model predicts noise - z_0.

    The loss of the noise phase is taken on the implied noise z_s + (1 - s) output, as that of a noise model is: the
    squared error of the output weighs (1 - s)^2 there, and s^2 in the phase of the picture.

    Args:
        levels: [T] float32, s in (0, 1), rising. A table that ends at s = 1 has gradients that are not finite.
    """

    name = "flow"
    least_signal = 1e-6

    def __init__(self, levels: Tensor):
        super().__init__(1 - levels, levels)

    @classmethod
    def at_levels_of(cls, other: Objective) -> Flow:
        """With the ratio of noise to picture that another objective has at each time."""
        return cls(other.sigma / (other.signal + other.sigma))

    @classmethod
    def at_sd_levels(cls, device: torch.device | None = None) -> Flow:
        """With SD's 1000 noise levels, evenly drawn, whatever the model's own shift: s from 0.028 to 0.936.

        The border of the two phases at t = 600 is at s = 0.696.
        """
        first, last = SD_BETAS
        betas = torch.linspace(first**0.5, last**0.5, SD_STEPS, dtype=torch.float64) ** 2
        levels = cls.at_levels_of(Epsilon((1 - betas).cumprod(0)))
        return cls(levels.sigma.float().to(device or "cpu"))

    def model_times(self, times: Tensor) -> Tensor:
        return self.sigma[times]

    def target(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return noise - z0

    def predicted_z0(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        _signal, sigma = self._levels(times, z_t)
        return z_t - sigma * output

    def predicted_noise(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        signal, _sigma = self._levels(times, z_t)
        return z_t + signal * output

    def noise_error(self, output: Tensor, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        signal, _sigma = self._levels(times, z0)
        return signal * super().noise_error(output, z0, noise, times)


VARIANCE_PRESERVING: Mapping[str, type[VariancePreserving]] = {kind.name: kind for kind in (Epsilon, VPrediction)}


def objective_of_schedule(prediction_type: str, alphas_cumprod: Tensor) -> VariancePreserving:
    """The objective of a model with a DDPM noise schedule.

    Args:
        prediction_type: as the configuration of a scheduler of diffusers has it.
        alphas_cumprod: [T] float32.

    Raises:
        WrongModelError: a prediction type that is not known.
    """
    if prediction_type not in VARIANCE_PRESERVING:
        raise WrongModelError(
            f"The model predicts {prediction_type!r}, needed one of {', '.join(VARIANCE_PRESERVING)}. Use a base model "
            "of SD1.5, SD2.x or SDXL."
        )
    return VARIANCE_PRESERVING[prediction_type](alphas_cumprod)
