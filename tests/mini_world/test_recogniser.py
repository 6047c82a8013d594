"""The mini world's recogniser as a face encoder, and looks read back from prompts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mini_world.evaluators import Evaluators
from mini_world.look import Look, caption, draw_look, look_of
from mini_world.measure import embed, picture_tensor
from mini_world.person import unseen_person
from mini_world.recogniser import CaptionAccuracy, is_recogniser, mini_world_recogniser
from mini_world.weights import load_weights
from stableidentity_core.evaluate.metrics import Sample


def test_every_caption_is_read_back_and_nothing_else():
    random = np.random.default_rng(0)
    for _each in range(300):
        look, _mentions = draw_look(random)
        assert look_of(caption(look, "{}")) == look
    for text in ("a photo of {} flying", "{} wearing a red hat", "a photo of {} in the snow wearing a red hat", ""):
        assert look_of(text) is None


def test_it_is_the_recogniser_of_the_evaluation_at_any_size():
    encoder, evaluators = mini_world_recogniser(load_weights()), Evaluators.of(load_weights().judge)
    assert is_recogniser(encoder.name) and not is_recogniser("mini-world-vit:1")
    picture = picture_tensor(unseen_person(1))[None]
    assert torch.equal(F.normalize(encoder(picture), dim=-1), embed(evaluators, picture))
    assert torch.equal(encoder(picture, mirrored=True), encoder(picture.flip(-1)))
    large = F.interpolate(picture, (512, 512), mode="bilinear")
    assert F.cosine_similarity(encoder(large), encoder(picture)).item() > 0.98


def test_only_prompts_that_ask_for_something_are_judged():
    looks = [Look(hat="red hat"), Look(), Look(hat="blue hat")]
    prompts = [*(caption(look, "{}") for look in looks[:2]), "a photo of {} flying", caption(looks[0], "{}")]
    pictures = torch.stack([picture_tensor(unseen_person(1), look) for look in (*looks, looks[2])])
    metric = CaptionAccuracy(Evaluators.of(load_weights().judge))
    sample = Sample(person="anna", pictures=pictures, prompts=prompts)
    assert metric.each(sample).tolist() == pytest.approx([1, torch.nan, torch.nan, 0], nan_ok=True)
    assert metric([sample]).tolist() == [0.5]
    assert metric([Sample(person="anna", pictures=pictures[:1], prompts=["{} flying"])]).isnan().all()
