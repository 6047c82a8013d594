"""Textual Inversion as diffusers' example script trains it: rows of the embedding table, and a plain squared error."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from helpers.make import some_face
from helpers.tiny import tiny_sd
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.suite.methods.words import without_masks
from stableidentity_core.train import TrainConfig, TrainingRun, default_config
from stableidentity_core.train.batch import Batch, draw_batches
from stableidentity_core.train.photos import without_features
from stableidentity_core.train.projector_init import make_projector

STEPS = 5
# The whole photo counts, nothing is clipped; rate and batch are of the script's documentation.
CONFIG = default_config("textual_inversion").with_settings(
    steps=STEPS, resolution=64, augmentation="none", learning_rate=2e-3, max_grad_norm=1e9
)


def by_the_script(backend, batches: list[Batch], config: TrainConfig) -> torch.Tensor:
    """Two new tokens begin as "person" and "face"; of the whole table that AdamW changes, only their rows are kept."""
    own = backend.texts["clip_h"]
    tokenizer, text = copy.deepcopy(own.tokenizer), copy.deepcopy(own.model)
    tokens = ["<anna-1>", "<anna-2>"]
    assert tokenizer.add_tokens(tokens) == 2
    new = tokenizer.convert_tokens_to_ids(tokens)
    start = [tokenizer.encode(word, add_special_tokens=False)[0] for word in ("person", "face")]
    text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = text.get_input_embeddings().weight.requires_grad_(True)
    table.data[new] = table.data[start]
    before = table.detach().clone()
    optimizer = torch.optim.AdamW([table], lr=config.learning_rate, betas=(0.9, 0.999), weight_decay=1e-2)
    others = torch.ones(len(table), dtype=torch.bool)
    others[new] = False
    for batch in batches:
        prompts = [template.replace("{}", " ".join(tokens)) for template in batch.templates]
        ids = tokenizer(
            prompts, padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
        ).input_ids
        predicted = backend.unet(batch.draw.z_t.double(), batch.draw.times, text(ids)[0], return_dict=False)[0]
        loss = F.mse_loss(predicted.float(), batch.draw.noise.float(), reduction="mean")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        table.data[others] = before[others]
    return table.detach()[new]


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    return load_diffusers(tiny_sd(tmp_path_factory.mktemp("sd")), dtype=torch.float64)


def test_the_words_are_those_of_the_script_step_by_step(backend):
    face = without_masks(without_features([some_face()])[0])
    run, same = (
        TrainingRun(backend, [face], make_projector(backend, [face], [], CONFIG), CONFIG) for _number in range(2)
    )
    source = same.held_out_source(torch.Generator().manual_seed(CONFIG.seed))
    batches = [draw_batches(backend, [source], CONFIG)[0] for _step in range(STEPS)]
    start = run.words()["clip_h"]
    expected = by_the_script(backend, batches, CONFIG)
    for _report in run:
        pass
    words = run.words()["clip_h"]
    # Adam divides by gradients that may be small, so that another order of sums makes a share of the way.
    assert ((words - expected.float()).norm() / (words - start).norm()).item() < 1e-3
    assert (words - start).norm().item() > 0.01
