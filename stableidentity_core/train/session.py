"""The entry point for training people: nodes, command line, demo and benchmarks all use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError, error_context
from ..face.portrait import Face
from ..methods.trained import TrainedProjector
from ..store.types import TrainResult
from ..text.names import NameSpace, build_name_space
from .config import TrainConfig
from .gradient_check import check_gradient
from .loop import check_together, train_together
from .projector_init import make_projector
from .result import result_of
from .run import TrainingRun
from .scoring import ScoredSteps, StepScoring
from .step_report import StepReport
from .validation import ValidationSet

OnStep = Callable[[tuple[StepReport, ...]], None]
OnStage = Callable[[str], None]  # what is done, such as "encoding the photo"
MEASURING = "measuring the held-out loss"
SCORING = "painting to see how similar it is"
GradientCheck = Callable[[DiffusionBackend], object]  # raises TrainingError for gradients that cannot be right


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """A person to be trained."""

    trigger: str  # "<anna>"
    faces: Sequence[Face]  # prepared photos, with their features where the method looks at them


def compare_in_fp32(backend: DiffusionBackend) -> None:
    """Check the gradient; against finite differences if the model computes in fp32 or fp64."""
    check_gradient(backend, compare=backend.dtype in (torch.float32, torch.float64))


def unchecked(backend: DiffusionBackend) -> None:
    """For callers that have checked the gradient of this backend before."""


def name_spaces_of(backend: DiffusionBackend, names: Iterable[str] | None = None) -> list[NameSpace]:
    """A name space for each text space of the model; of the pack's own names by default."""
    names = None if names is None else tuple(names)
    return [build_name_space(space, names) for space in backend.text_spaces]


def check_spaces(backend: DiffusionBackend, name_spaces: Sequence[NameSpace]) -> None:
    """Raise unless there is one name space per text space of the model, of its width."""
    needed = {space.name: space.width for space in backend.text_spaces}
    found = {ns.space: ns.width for ns in name_spaces}
    if needed != found:
        raise StableIdentityError(
            f"The name space was made for {found} (text space: width), the connected CLIP needs {needed}. "
            "Connect the same CLIP to Celebrity Name Space and to the training."
        )


class TrainingSession:
    """People trained side by side: checks, projectors, training and results, in this order.

        session = TrainingSession(backend, [Person(trigger="<anna>", faces=[face])], TrainConfig())
        (result,) = session.learn()

    Args:
        backend: the frozen diffusion model.
        people: trained together, see `train_together`; each gets the same result as alone.
        config: settings.
        name_spaces: one for each text space of the model; by default of the pack's own names.
        start: a projector to start from, instead of afresh.
        check: of the gradient, before the first step.
        triggers_in_errors: begin messages with the trigger of the person concerned; by default for several people.
        scoring: scores steps, and chooses the one that is kept; by default the last one is.

    Raises:
        StableIdentityError: name spaces of another model, or photos or a projector that do not fit.
        TrainingError: the gradient check failed.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        people: Sequence[Person],
        config: TrainConfig,
        *,
        name_spaces: Sequence[NameSpace] | None = None,
        start: TrainedProjector | None = None,
        check: GradientCheck = compare_in_fp32,
        triggers_in_errors: bool | None = None,
        scoring: StepScoring | None = None,
    ):
        self.people, self.scoring = people, scoring
        named = len(people) > 1 if triggers_in_errors is None else triggers_in_errors
        self.name_spaces = name_spaces_of(backend) if name_spaces is None else list(name_spaces)
        check_spaces(backend, self.name_spaces)
        check(backend)
        self.runs: list[TrainingRun] = []
        for person in people:
            name = person.trigger if named else ""
            with error_context(name):
                projector = make_projector(backend, person.faces, self.name_spaces, config, start)
                self.runs.append(TrainingRun(backend, list(person.faces), projector, config, name))
        check_together(self.runs)
        if scoring is not None:
            begin_scoring(self.runs, scoring)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.runs[0].step

    def save(self, checkpoint: Path) -> None:
        """Write the state of a training of one person, see `TrainingRun.save`."""
        self._only_run().save(checkpoint)

    def resume(self, checkpoint: Path) -> None:
        """Go on from the state of a training of one person, see `TrainingRun.load`."""
        self._only_run().load(checkpoint)

    def _only_run(self) -> TrainingRun:
        if len(self.runs) != 1:
            raise StableIdentityError(
                f"A checkpoint holds one person, this training has {len(self.runs)}. Train them one at a time to keep "
                "checkpoints."
            )
        return self.runs[0]

    def learn(self, on_step: OnStep = lambda reports: None, on_stage: OnStage = lambda what: None) -> list[TrainResult]:
        """Train to the end, see `learn_runs`; one result for each person."""
        triggers = [person.trigger for person in self.people]
        return learn_runs(self.runs, self.name_spaces, triggers, on_step, on_stage, self.scoring)


def begin_scoring(runs: Sequence[TrainingRun], scoring: StepScoring) -> None:
    """Give runs a place for their scores, before they go on from a checkpoint."""
    for run in runs:
        run.scored = ScoredSteps(scoring=scoring.as_dict())


def learn_runs(
    runs: Sequence[TrainingRun],
    name_spaces: Sequence[NameSpace],
    triggers: Sequence[str],
    on_step: OnStep = lambda reports: None,
    on_stage: OnStage = lambda what: None,
    scoring: StepScoring | None = None,
) -> list[TrainResult]:
    """Train runs side by side to the end and collect the result of each.

    `on_step` is called after each step with a report for each run, `on_stage` before what takes time besides. The loss
    on validation draws is measured before and after (of a run that goes on from a checkpoint only after) and noted in
    the header, as is the range of the words beside that of the names. A training that made things worse has a `warning`
    there, see `diagnosis`. With `scoring`, the header says which step was kept, and its score; the projectors are then
    as they were at that step.

    Raises:
        StableIdentityError, TrainingError: as `train_together` raises them.
    """
    check_together(runs)
    if scoring is not None and any(run.scored is None for run in runs):
        begin_scoring(runs, scoring)
    projectors = [run.projector for run in runs]
    losses, phases = [], []
    with runs[0].computing():
        on_stage("encoding the photo")
        validation = ValidationSet.of(runs)
        on_stage(MEASURING)
        before = validation.each(projectors) if runs[0].step == 0 else [None] * len(runs)
        for reports in train_together(runs):
            losses.append(torch.stack([report.loss_on_device for report in reports]))
            phases.append(torch.stack([report.phase_losses_on_device for report in reports]))
            if scoring is not None and runs[0].step % scoring.every == 0:
                _score(runs, scoring, on_stage)
            on_step(reports)
        if scoring is not None:
            _score(runs, scoring, on_stage)
            _keep(runs)
        for projector in projectors:
            projector.eval().requires_grad_(False)
        on_stage(MEASURING)
        after = validation.each(projectors)
    curves = torch.stack(losses, dim=-1).float().cpu() if losses else torch.zeros(len(runs), 0)  # [P, steps]
    phase_curves = torch.stack(phases, dim=-1).float().cpu() if phases else torch.zeros(len(runs), 2, 0)
    held_out = zip(before, after, strict=True)
    return [
        result_of(run, name_spaces, trigger, own, curve.clone(), by_phase.clone())
        for run, trigger, own, curve, by_phase in zip(runs, triggers, held_out, curves, phase_curves, strict=True)
    ]


def _score(runs: Sequence[TrainingRun], scoring: StepScoring, on_stage: OnStage) -> None:
    """Score the words of the step that is done, unless that was done before."""
    if all(run.scored is not None and run.step in run.scored.scores for run in runs):
        return
    on_stage(SCORING)
    with torch.no_grad():
        scores = scoring.score([run.words() for run in runs])
    for run, score in zip(runs, scores, strict=True):
        assert run.scored is not None
        run.scored.add(run.step, score, run.projector)


def _keep(runs: Sequence[TrainingRun]) -> None:
    """Bring the projectors to the step that is kept."""
    for run in runs:
        if run.scored is not None and run.scored.best:
            run.projector.load_state_dict(run.scored.best)
