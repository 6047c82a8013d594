"""The optimisation of a head: steps of views, guidance and updates, with all state that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import TrainingError
from . import losses
from .cameras import Cameras, cameras_around, draw_cameras
from .densify import Evidence, densify, reset_opacities
from .guidance import check_objective, draw_levels, wanted_change
from .optimiser import Adam
from .render import Rendered, picture_of, render
from .settings import HeadSettings
from .splat import Gaussians, Splat
from .start import first_gaussians
from .undo import undone_if_broken_off
from .view_prompts import ViewPrompts, prompts_for

# Learning rates at the first and the last step, with an exponential course between them.
RATES = {
    "means": (5.6e-4, 5.6e-6),
    "quats": (1e-3, 2e-4),
    "log_scales": (5e-3, 1e-3),
    "opacity_logits": (0.05, 0.05),
    "colour_logits": (6e-3, 3.5e-3),
    "backdrop": (0.02, 0.01),
}
SIZE_JITTER = 0.2**0.5 / 4  # random change of the Gaussians' sizes in each picture, as a share
WHITE_SHARE, COLOUR_SHARE = 0.34, 0.33  # of the steps with a white and a coloured backdrop; the others have black
DENSIFY_FROM, PRUNE_FROM = 0.02, 0.06  # shares of the steps
PREVIEW_RADIUS, PREVIEW_FOV = 5.2, 0.49


@dataclass(frozen=True, kw_only=True)
class HeadReport:
    """What a step did."""

    step: int  # steps done
    steps: int
    loss: float
    points: int
    deviation: float  # of the latents of the pictures; where it keeps rising, the head drifts away from all pictures


class HeadRun:
    """A head that is being optimised.

    Args:
        prompts: what its views are to show.
        start: Gaussians to begin with; by default a bust of grey ones.

    Raises:
        WrongModelError: a model with another objective than the noise or v.
    """

    def __init__(
        self, backend: DiffusionBackend, prompts: ViewPrompts, settings: HeadSettings, start: Splat | None = None
    ):
        check_objective(backend)
        self.backend = backend
        self.prompts = prompts
        self.settings = settings
        self.generator = torch.Generator().manual_seed(settings.seed)
        begun = (
            first_gaussians(settings.points, self.generator, settings.first_opacity, backend.check_cancelled)
            if start is None
            else Gaussians.of(start)
        )
        self.put(begun, torch.zeros(3))
        self.adam = Adam()
        self.evidence = Evidence.none(len(self.gaussians), backend.device)
        self.step = 0

    def put(self, gaussians: Gaussians, backdrop: Tensor) -> None:
        """Go on with these Gaussians, and the colour [3] behind them as logits."""

        def tracked(value: Tensor) -> Tensor:
            return value.detach().float().to(self.backend.device).clone().requires_grad_()

        self.gaussians = Gaussians(**{name: tracked(value) for name, value in gaussians.items()})
        self.backdrop = tracked(backdrop)

    def splat(self) -> Splat:
        """The head as it is now, on the CPU."""
        return self.gaussians.splat()

    def picture(self, azimuth: float, size: int) -> Tensor:
        """A picture [3, S, S] from an azimuth in degrees, on the CPU."""
        angle, one = torch.tensor([azimuth]), torch.ones(1)
        cameras = cameras_around(angle, 0 * one, PREVIEW_RADIUS * one, PREVIEW_FOV * one)
        device = self.backend.device
        rendered = picture_of(self.splat().to(device), cameras.to(device), size)
        return rendered.on(self._shown_backdrop()).clamp(0, 1)[0].cpu()

    def _shown_backdrop(self) -> Tensor:
        learned = self.settings.backdrop == "learned"
        return self.backdrop.detach().sigmoid() if learned else torch.ones_like(self.backdrop)

    def steps(self) -> Iterator[HeadReport]:
        """Do the steps that are left, yielding a report after each; can be stopped and gone on with between any two.

        Raises:
            TrainingError: a loss or gradient that is not finite; the head is as before that step.
        """
        while self.step < self.settings.steps:
            self.backend.check_cancelled()
            with undone_if_broken_off(self):
                report = self._step()
            yield report

    def _step(self) -> HeadReport:
        cameras = draw_cameras(self.settings, self.step, self.generator).to(self.backend.device)
        backdrop, mirrored = self._draw_backdrop(), bool(torch.rand(1, generator=self.generator) < 0.5)
        as_depth = bool(torch.rand(1, generator=self.generator) < self.settings.disparity_share)
        latent = self.settings.gradient == "latent"
        rendered = self._render(cameras)
        pictures = self._seen(rendered, backdrop, mirrored)
        if latent:
            encoded = losses.disparity_pictures(rendered) if as_depth else pictures
            latents = self.backend.encode_with_gradient(encoded)
        else:
            latents = self.backend.encode_posterior(pictures.detach()).mean
        change = self._change(latents.detach(), cameras)
        if latent:
            loss = self._update(rendered, losses.latent_loss(latents, change))
        else:
            wanted = losses.wanted_pictures(self.backend, latents, change)
            loss = self._update(rendered, losses.pixel_loss(pictures, wanted))
            for _fit in range(self.settings.fits - 1):
                rendered = self._render(cameras, jittered=False)
                loss = self._update(rendered, losses.pixel_loss(self._seen(rendered, backdrop, mirrored), wanted))
        self.step += 1
        self._densify()
        return HeadReport(
            step=self.step,
            steps=self.settings.steps,
            loss=loss,
            points=len(self.gaussians),
            deviation=latents.detach().std().item(),
        )

    def _draw_backdrop(self) -> Callable[[], Tensor]:
        """A colour [3], or the one that is learned."""
        share, colour = torch.rand(1, generator=self.generator), torch.rand(3, generator=self.generator)
        if self.settings.backdrop == "learned":
            return self.backdrop.sigmoid
        if self.settings.backdrop == "white" or share < WHITE_SHARE:
            colour = torch.ones(3)
        elif share > WHITE_SHARE + COLOUR_SHARE:
            colour = torch.zeros(3)
        fixed = colour.to(self.backend.device)
        return lambda: fixed

    def _render(self, cameras: Cameras, jittered: bool = True) -> Rendered:
        now = self.gaussians
        scales = now.log_scales.exp()
        if jittered:
            noise = torch.randn(scales.shape, generator=self.generator).to(scales)
            scales = (scales * (1 + SIZE_JITTER * noise)).clamp_min(0)
        rendered = render(
            now.means,
            now.quats,
            scales,
            now.opacity_logits.sigmoid(),
            now.colour_logits.sigmoid(),
            cameras,
            self.settings.resolution,
            rasteriser=self.settings.rasteriser,
            check=self.backend.check_cancelled,
        )
        if self.settings.densify_every:
            rendered.centres.retain_grad()
        return rendered

    def _seen(self, rendered: Rendered, backdrop: Callable[[], Tensor], mirrored: bool) -> Tensor:
        pictures = rendered.on(backdrop())
        return pictures.flip(-1) if mirrored and self.settings.flip else pictures

    def _change(self, latents: Tensor, cameras: Cameras) -> Tensor:
        settings = self.settings
        levels = draw_levels(settings, len(self.backend.objective), self.step, self.generator)
        prompted = prompts_for(self.prompts, cameras.azimuths, by_view=settings.view_prompts)
        return wanted_change(self.backend, latents, prompted, self.prompts.empty, settings, levels, self.generator)

    def _update(self, rendered: Rendered, wish: Tensor) -> float:
        """One step of the optimiser; returns the loss."""
        settings = self.settings
        smooth = losses.total_variation(rendered.colours) + losses.total_variation(losses.disparities(rendered))
        loss = wish + settings.smoothness * smooth + settings.smallness * self.gaussians.log_scales.exp().mean()
        loss = loss + settings.clearness * losses.unclear(rendered)
        self.backend.check_cancelled()
        parameters = {**dict(self.gaussians.items()), "backdrop": self.backdrop}
        loss.backward()
        value = loss.item()
        sums = [value] + [part.grad.sum().item() for part in parameters.values() if part.grad is not None]
        if not torch.tensor(sums).isfinite().all():
            raise TrainingError(
                f"Step {self.step + 1}: the loss is {value:.4g} and its gradient is not finite. The VAE or the model "
                "may overflow, in fp16 most of all: load them in bf16 or fp32, and check that the VAE belongs to the "
                "model."
            )
        if settings.densify_every:
            self.evidence.add(rendered, settings.resolution)
        share = self.step / settings.steps
        rates = {name: first * (last / first) ** share for name, (first, last) in RATES.items()}
        rates = {name: rate * (1 if name == "opacity_logits" else settings.rate) for name, rate in rates.items()}
        self.adam.step(parameters, rates)
        return value

    def _densify(self) -> None:
        settings, share = self.settings, self.step / self.settings.steps
        if not settings.densify_every or not DENSIFY_FROM < share <= settings.densify_until:
            return
        if self.step % settings.densify_every == 0:
            self.gaussians = densify(
                self.gaussians,
                self.adam,
                self.evidence,
                settings,
                prune_large=share > PRUNE_FROM,
                generator=self.generator,
            )
            self.evidence = Evidence.none(len(self.gaussians), self.backend.device)
        if settings.reset_every and self.step % settings.reset_every == 0:
            reset_opacities(self.gaussians, self.adam)
