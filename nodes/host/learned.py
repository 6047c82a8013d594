"""What StableIdentity Train shows and gives of each person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import loss_curve
from ...stableidentity_core.store import TrainResult
from ...stableidentity_core.train.diagnosis import WARNING, verdict
from ...stableidentity_core.train.scoring import describe_kept
from .any_text import HostText
from .flow.table import EXPERIMENTAL, NOT_SEEN
from .flow.text import FlowTextEncoders
from .painting import Painter

log = get_logger(__name__)
STORED = "learned before, taken from the store"


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A person that is learned."""

    identity: Identity
    projector: TrainedProjector
    curve: Tensor  # [1, H, W, 3], the losses
    pictures: list[Tensor]  # [1, side, side, 3] each, in the order of the steps
    verdict: str  # "learned: held-out loss 3.3 to 0.16"
    how: str  # "in 74 s", or where it comes from

    @property
    def warning(self) -> str:
        return self.identity.header.get(WARNING, "")


def marked(result: TrainResult, text: HostText) -> TrainResult:
    """With a note in the identity's header where the base is experimental."""
    if not isinstance(text, FlowTextEncoders):
        return result
    note = {EXPERIMENTAL: f"{text.family.name}, {NOT_SEEN}"}
    return replace(result, identity=replace(result.identity, header={**result.identity.header, **note}))


def learned(trigger: str, result: TrainResult, how: str, pictures: list[Tensor]) -> Learned:
    """A result under a person's trigger, with its loss curve; its warning is logged."""
    identity = result.identity.renamed(trigger)
    warning = identity.header.get(WARNING, "")
    if warning:
        log.warning("StableIdentity: %s: %s", identity.trigger, warning)
    before, after = (identity.header.get(f"held_out_loss_{when}") for when in ("before", "after"))
    judged = verdict(before, after, warning)
    title, kept = f"{identity.trigger} {judged}", describe_kept(identity.header)
    return Learned(
        identity=identity,
        projector=result.projector,
        curve=loss_curve(result.losses, title, warning, phase_losses=result.phase_losses)[None],
        pictures=pictures,
        verdict=f"{judged}; {kept}" if kept else judged,
        how=how,
    )


def lines_of(people: Sequence[Learned]) -> list[str]:
    """A line for each person, then the warnings."""
    lines = [f"{one.identity.trigger} {one.verdict} ({one.how})" for one in people]
    lines += [f"{one.identity.trigger}: {one.warning}" for one in people if one.warning]
    notes = {note: None for one in people if (note := one.identity.header.get(EXPERIMENTAL))}
    return [*lines, *(f"experimental: {note}" for note in notes)]


def summary_of(people: Sequence[Learned]) -> str:
    """What the node says at its end: one line, and the warning of a single person."""
    if len(people) == 1:
        (one,) = people
        return f"{one.verdict} ({one.how})" + (f"\n{one.warning}" if one.warning else "")
    counted = Counter(one.verdict.partition(":")[0] for one in people)
    told = ", ".join(f"{count} {what}" for what, count in counted.items())
    trained = [one.how for one in people if one.how != STORED]
    stored = len(people) - len(trained)
    how = [STORED if not trained else f"{stored} of them {STORED}"] if stored else []
    return f"{len(people)} people: {told} ({'; '.join([*how, *trained[-1:]])})"  # groups end one after the other


@dataclass(kw_only=True, eq=False)
class Pictures:
    """The pictures of all people of a training, by the keys of the people."""

    painter: Painter | None
    during: frozenset[int] = frozenset()  # steps after which to paint before the end
    painted: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def each(self) -> int:
        """To be painted of each person who is trained."""
        return 0 if self.painter is None else len(self.during) + 1

    def paint(self, people: Iterable[tuple[str, Identity]]) -> list[Tensor]:
        """One picture of each person, given by key; those that fail are left out."""
        if self.painter is None:
            return []
        made = []
        for key, identity in people:
            if (picture := self.painter(identity)) is not None:
                self.painted.setdefault(key, []).append(picture)
                made.append(picture)
        return made

    def of(self, key: str) -> list[Tensor]:
        return self.painted.get(key, [])


def shown(people: Sequence[Learned]) -> Tensor | None:
    """The last picture of each person, [P, side, side, 3]; None if there is none."""
    last = [one.pictures[-1] for one in people if one.pictures]
    return torch.cat(last) if last else None
