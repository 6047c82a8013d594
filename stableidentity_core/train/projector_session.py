"""The entry point for training a projector on many people, for nodes, command line and scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..face.portrait import Face
from ..provenance import provenance
from ..store.types import ProjectorResult
from ..text.names import NameSpace
from .config import TrainConfig
from .diagnosis import PROJECTOR_WARNING, describe_growth
from .pretraining import ProjectorPretraining, encode_people
from .projector_init import make_projector
from .result import trained_projector
from .session import MEASURING, GradientCheck, OnStage, check_spaces, compare_in_fp32, name_spaces_of
from .step_report import StepReport
from .warm_start import WarmStart

# From the mini world (benchmarks/README.md); the paper trains one person at a time.
MANY_PEOPLE = TrainConfig(
    steps=1500, batch_size=32, learning_rate=1e-3, rate_schedule="cosine", hair_weight=1.0, augmentation="none"
)


class ProjectorSession:
    """One projector trained on many people: checks, views, training and result, in this order.

    Args:
        backend: the frozen diffusion model.
        photos: title (such as the name of its file) and prepared photo, with its feature, of each person.
        config: settings; each step draws `batch_size` people at random.
        name_spaces: one for each text space of the model; by default of the pack's own names.
        warm_start: see `ProjectorPretraining`.
        check: of the gradient, before the first step.

    Raises:
        StableIdentityError: name spaces of another model, fewer than two people, or faces that do not go together.
        TrainingError: the gradient check failed.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        photos: Iterable[tuple[str, Face]],
        config: TrainConfig,
        *,
        name_spaces: Sequence[NameSpace] | None = None,
        warm_start: WarmStart = "no",
        check: GradientCheck = compare_in_fp32,
    ):
        self.name_spaces = name_spaces_of(backend) if name_spaces is None else list(name_spaces)
        check_spaces(backend, self.name_spaces)
        check(backend)
        self.people = encode_people(backend, photos, config)
        projector = make_projector(backend, [self.people.first], self.name_spaces, config)
        self.run = ProjectorPretraining(backend, self.people, projector, config, warm_start)

    def learn(
        self, on_step: Callable[[StepReport], None] = lambda report: None, on_stage: OnStage = lambda what: None
    ) -> ProjectorResult:
        """Train to the end, see `learn_projector`."""
        return learn_projector(self.run, self.name_spaces, on_step, on_stage)


def learn_projector(
    run: ProjectorPretraining,
    name_spaces: Sequence[NameSpace],
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_stage: OnStage = lambda what: None,
) -> ProjectorResult:
    """Train to the end; `on_step` is called after each step, `on_stage` before what takes time besides."""
    fresh = run.step == 0
    losses: list[Tensor] = []
    phases: list[Tensor] = []
    with run.computing():
        on_stage(MEASURING)
        before = run.held_out_losses() if fresh else None  # after a resume it is not known any more
        if fresh and run.warm_start != "no":
            on_stage("starting from known names")
            run.start_known(name_spaces)
        for report in () if run.warm_start == "only" else run:
            losses.append(report.loss_on_device)
            phases.append(report.phase_losses_on_device)
            on_step(report)
        run.projector.eval().requires_grad_(False)
        on_stage(MEASURING)
        after = run.held_out_losses()
    feature = run.people.first.feature
    assert feature is not None  # encode_people has looked
    facts = {
        "base_fingerprint": run.backend.fingerprint(),
        "prediction": run.backend.objective.name,
        "face_encoder_licence": feature.licence,
        "projector_people": str(run.people.people),
        "projector_steps": str(run.step),
        "projector_settings": json.dumps(run.config.as_dict(), sort_keys=True),
        "projector_known_people": str(run.known(name_spaces)),
        "projector_names": str(len(name_spaces[0].names)),
        "projector_date": provenance()["date"],
    }
    for when, loss in (("before", before), ("after", after)):
        if loss is not None:
            facts[f"projector_held_out_loss_{when}"] = f"{loss.mean().item():.6g}"
    if before is not None and after is not None and (growth := describe_growth(before, after)):
        # Without steps the learning rate had no effect.
        advice = f" Lower learning_rate ({run.config.learning_rate:g})." if losses else ""
        facts[PROJECTOR_WARNING] = growth + advice
    return ProjectorResult(
        projector=trained_projector(run.projector, run.config, feature.encoder, facts),
        losses=torch.stack(losses).float().cpu() if losses else torch.zeros(0),
        phase_losses=torch.stack(phases, dim=-1).float().cpu() if phases else torch.zeros(2, 0),
    )
