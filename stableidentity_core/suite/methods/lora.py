"""Small changes to the diffusion model instead of words: LoRA (arXiv 2106.09685), trained as DreamBooth is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...backends.diffusers_sd import DiffusersBackend
from ...backends.protocol import DiffusionBackend
from ...errors import DamagedFileError, StableIdentityError, TrainingError
from ...evaluate.sample import encode_texts
from ...face.portrait import Face
from ...files.tensors import read_tensors, save_tensors
from ...optional import optional_import
from ...text.prompts import SLOT
from ...train import TrainConfig
from ...train.batch import Source, draw_batches
from ...train.loss import two_phase_loss
from ...train.views import encode_views
from ..bench import Bench
from ..spec import MethodSpec, Sampling, as_sentence
from .base import Method, Painted, Writer
from .words import paint_words, seed_of, without_masks

LAYERS = ("to_k", "to_q", "to_v", "to_out.0")  # of attention, as in diffusers' example of DreamBooth with LoRA
PREFIX = "unet"
ADAPTER = "person"


class Lora(Method):
    """A LoRA of the UNet's attention for each person: one photo, one prompt with a rare word, the noise loss.

    The defaults are those of diffusers' example (rank 4, 500 steps of AdamW at 1e-4). As there, the whole photo counts;
    `mask = true` lets only the face count, as for the pack's own methods. Pictures of the class ("prior preservation")
    are not used.
    """

    kind = "lora"
    options: ClassVar[Mapping[str, Any]] = {
        "rank": 4,
        "steps": 500,
        "learning_rate": 1e-4,
        "batch_size": 1,
        "seed": 0,
        "resolution": 512,
        "word": "sks person",
        "prompt": f"a photo of {SLOT}",
        "mask": False,
    }

    def __init__(self, spec: MethodSpec):
        super().__init__(spec)
        if self.values["rank"] < 1:
            raise StableIdentityError(f"The option rank of {spec.name!r} is {self.values['rank']}, needed at least 1.")
        if self.values["prompt"].count(SLOT) != 1:
            raise StableIdentityError(
                f"The option prompt of {spec.name!r} is {self.values['prompt']!r:.60}, needed one slot {SLOT} in it."
            )
        names = ("steps", "learning_rate", "batch_size", "resolution")
        own = {name: self.values[name] for name in names}
        self.config = TrainConfig(**own, alpha=0.0, augmentation="none", hair_weight=0.0)

    def learn(self, bench: Bench, people: Sequence[str]) -> dict[str, Writer]:
        return {person: partial(_write, self._train(bench, person), self._header()) for person in people}

    def _header(self) -> dict[str, str]:
        return {"method": self.kind, **{name: str(value) for name, value in self.values.items()}}

    def _train(self, bench: Bench, person: str) -> dict[str, Tensor]:
        face = bench.face(person)
        text = self.values["prompt"].replace(SLOT, self.values["word"])
        return train_lora(
            _with_adapters(bench.backend),
            face if self.values["mask"] else without_masks(face),
            text,
            self.config,
            rank=self.values["rank"],
            generator=torch.Generator().manual_seed(seed_of(bench, person, self.values["seed"])),
        )

    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        assert learned is not None
        with lora_in_use(_with_adapters(bench.backend), learned):
            texts = [as_sentence(prompt, self.values["word"]) for prompt in prompts]
            yield from paint_words(bench, {}, texts, sampling)


def train_lora(
    backend: DiffusersBackend,
    face: Face,
    text: str,
    config: TrainConfig,
    *,
    rank: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Learn a face under a text; the backend is as before afterwards.

    Args:
        generator: of the initial weights and all draws.

    Returns:
        The weights, named as diffusers names them in files.

    Raises:
        StableIdentityError: the model computes in fp16, whose gradients this loop does not scale.
        TrainingError: a loss that is not finite.
        MissingPackageError: peft is not installed.
    """
    if backend.dtype is torch.float16:
        raise StableIdentityError("A LoRA is not trained in fp16 here. Set dtype to bf16 or fp32.")
    source = Source(faces=[face], generator=generator, plain=encode_views(backend, [face], config, torch.Generator()))
    with torch.no_grad():
        conditioning = encode_texts(backend, [text] * config.batch_size)
    with _adapter(backend.unet, rank, generator) as weights:
        optimizer = torch.optim.AdamW(
            weights, config.learning_rate, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
        )
        for step in range(1, config.steps + 1):
            backend.check_cancelled()
            draw = draw_batches(backend, [source], config)[0].draw
            output = backend.predict(draw.z_t, draw.times, conditioning)
            loss = two_phase_loss(
                draw, output, objective=backend.objective, latents=backend.latents, config=config
            ).mean()
            if not loss.isfinite():
                raise TrainingError(f"Step {step}: the loss is {loss.item()}. Lower learning_rate.")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
        return _state_of(backend.unet)


@contextmanager
def _adapter(unet: Any, rank: int, generator: torch.Generator) -> Iterator[list[nn.Parameter]]:
    """Inside, the UNet has a new adapter, whose weights are yielded in float32."""
    peft = _peft()
    settings = peft.LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(LAYERS))
    with _without(unet):
        with torch.random.fork_rng(devices=[]):  # peft draws from the global generator; its draws are replaced
            unet.add_adapter(settings, adapter_name=ADAPTER)
        weights = []
        for name, value in unet.named_parameters():
            if ".lora_" in name:
                down = torch.randn(value.shape, generator=generator) / rank
                value.data = (down if ".lora_A." in name else torch.zeros(value.shape)).to(value.device)
                weights.append(value.requires_grad_(True))
        yield weights


@contextmanager
def lora_in_use(backend: DiffusersBackend, path: Path) -> Iterator[None]:
    """Inside, the backend computes with a LoRA file as diffusers writes it; afterwards it is as before.

    Raises:
        DamagedFileError: the file is none of this model's.
    """
    tensors, header = read_tensors(path)
    _peft()
    if header.get("method") != Lora.kind or not tensors:
        raise DamagedFileError(f"{path} is not a LoRA that the suite has trained. Remove it and run again.")
    with _without(backend.unet):
        try:
            backend.unet.load_lora_adapter(tensors, prefix=PREFIX, adapter_name=ADAPTER)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0].strip().rstrip(":.")[:200]
            raise DamagedFileError(f"{path} does not fit the model: {reason}. Remove it and run again.") from error
        backend.unet.eval()
        yield


@contextmanager
def _without(unet: Any) -> Iterator[None]:
    """Afterwards the UNet has no adapter, and its layers have their own names again."""
    try:
        yield
    finally:
        unet.unload_lora()
        unet.eval().requires_grad_(False)


def _state_of(unet: Any) -> dict[str, Tensor]:
    from diffusers.utils import convert_state_dict_to_diffusers

    state = convert_state_dict_to_diffusers(_peft().get_peft_model_state_dict(unet, adapter_name=ADAPTER))
    return {f"{PREFIX}.{name}": value.detach().float().cpu().clone() for name, value in state.items()}


def _write(state: dict[str, Tensor], header: dict[str, str], path: Path) -> None:
    save_tensors(path, state, header)


def _with_adapters(backend: DiffusionBackend) -> DiffusersBackend:
    if not isinstance(backend, DiffusersBackend):
        raise StableIdentityError("A LoRA needs a model that diffusers has loaded.")
    return backend


def _peft() -> Any:
    return optional_import("peft", feature="a LoRA", install='pip install "peft>=0.17"')
