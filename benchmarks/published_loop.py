"""The work of the published training loop, step by step, on any of the pack's backends.

A re-statement of what it computes, not of how it is written: nothing is prepared ahead. Each step reads the photo and
its masks from PNG, draws a view on the CPU, runs the face ViT on the photo (mirrored with the view), the VAE encoder
on the view, the text encoder over the whole prompt, UNet forward and backward, clipping and AdamW, all in float32,
and reads the loss, as its progress bar does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.encode import FaceEncoder
from stableidentity_core.face.portrait import Face
from stableidentity_core.methods.base import Projector
from stableidentity_core.text.prompts import tokenize_templates
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.augment import augment
from stableidentity_core.train.loss import NoisedBatch, two_phase_loss
from stableidentity_core.train.templates import TEMPLATES


def png(picture: Tensor) -> bytes:
    """[C, H, W] in 0..1 as a file."""
    buffer = io.BytesIO()
    to_pil_image(picture.float().clamp(0, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def decoded(file: bytes) -> Tensor:
    return pil_to_tensor(Image.open(io.BytesIO(file))).float() / 255


class PublishedLoop:
    """One person learned as the published script does it; iterating takes steps without end and gives their losses."""

    def __init__(
        self, backend: DiffusionBackend, encoder: FaceEncoder, face: Face, projector: Projector, config: TrainConfig
    ):
        self.backend = backend
        self.encoder = encoder
        self.files = [png(picture) for picture in (face.image, face.face_mask[None], face.hair_mask[None])]
        self.projector = projector.to(backend.device).requires_grad_(True).train()
        self.config = config
        self.optimizer = torch.optim.AdamW(
            self.projector.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.generator = torch.Generator().manual_seed(config.seed)

    def __iter__(self) -> Iterator[float]:
        while True:
            yield self.step()

    def step(self) -> float:
        draw, feature = self.draw()
        template = TEMPLATES[int(torch.randint(len(TEMPLATES), (), generator=self.generator))]
        rows = {space.name: tokenize_templates([template], space) for space in self.backend.text_spaces}
        conditioning = self.backend.encode_text(rows, self.projector(feature))
        loss = two_phase_loss(
            draw,
            self.backend.predict(draw.z_t, draw.times, conditioning),
            objective=self.backend.objective,
            latents=self.backend.latents,
            config=self.config,
        ).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.projector.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return loss.item()

    def draw(self) -> tuple[NoisedBatch, Tensor]:
        """The noised view and the feature [1, F] of the photo."""
        face = self.read()
        view = augment(face, self.config.resolution, self.backend.latents.factor, self.generator)
        feature = self.encode(face, view.mirrored)
        z0 = self.backend.encode_posterior(view.image[None]).sample(self.generator)
        objective = self.backend.objective
        times = objective.sample_times(1, self.generator).to(z0.device)
        noise = torch.randn(z0.shape, generator=self.generator).to(z0)
        draw = NoisedBatch(
            z0=z0,
            z_t=objective.add_noise(z0, noise, times),
            noise=noise,
            times=times,
            face_mask=view.face_mask[None].to(z0),
            hair_mask=view.hair_mask[None].to(z0),
        )
        return draw, feature

    def read(self) -> Face:
        image, face_mask, hair_mask = (decoded(file) for file in self.files)
        return Face(image=image, face_mask=face_mask[0], hair_mask=hair_mask[0])

    def encode(self, face: Face, mirrored: bool) -> Tensor:
        return self.encoder(face.image[None].to(self.backend.device), mirrored=mirrored)
