"""One call from many people to a projector, used by the nodes and by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..provenance import written
from ..store.types import ProjectorResult
from ..text.names import NameSpace
from .config import TrainConfig
from .diagnosis import PROJECTOR_WARNING, told_growth
from .pretraining import SharedRun
from .session import trained
from .step_report import StepReport

# From the mini world (benchmarks/README.md); the paper trains one person at a time.
MANY_PEOPLE = TrainConfig(
    steps=1500, batch_size=32, learning_rate=1e-3, rate_schedule="cosine", hair_weight=1.0, augmentation="none"
)


def learn_projector(
    run: SharedRun,
    name_spaces: Sequence[NameSpace],
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> ProjectorResult:
    """Train to the end; `on_step` is called after each step."""
    fresh = run.step == 0
    losses: list[Tensor] = []
    with run.computing():
        before = run.held_out_losses() if fresh else None  # what it was before a break is not known any more
        if fresh and run.known_people != "no":
            run.start_known(name_spaces)
        for report in () if run.known_people == "only" else run:
            losses.append(report.loss_on_device)
            on_step(report)
        run.projector.eval().requires_grad_(False)
        after = run.held_out_losses()
    feature = run.people.first.feature
    assert feature is not None  # encode_people has looked
    facts = {
        "base_fingerprint": run.backend.fingerprint(),
        "prediction": run.backend.prediction.value,
        "face_encoder_licence": feature.licence,
        "projector_people": str(run.people.people),
        "projector_steps": str(run.step),
        "projector_settings": json.dumps(run.config.as_dict(), sort_keys=True),
        "projector_known_people": str(run.known(name_spaces)),
        "projector_names": str(len(name_spaces[0].names)),
        "projector_date": written()["date"],
    }
    for when, loss in (("before", before), ("after", after)):
        if loss is not None:
            facts[f"projector_held_out_loss_{when}"] = f"{loss.mean().item():.6g}"
    if before is not None and after is not None and (growth := told_growth(before, after)):
        advice = (
            f" Lower learning_rate ({run.config.learning_rate:g})." if losses else ""
        )  # without steps it had no part
        facts[PROJECTOR_WARNING] = growth + advice
    return ProjectorResult(
        projector=trained(run.projector, run.config, feature.encoder, facts),
        losses=torch.stack(losses).float().cpu() if losses else torch.zeros(0),
    )
