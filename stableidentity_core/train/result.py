"""The result of a training: the identity with its header, and the trained projector."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from torch import Tensor

from ..face.portrait import Face
from ..identity.types import Identity
from ..methods.base import Projector
from ..methods.trained import TrainedProjector
from ..provenance import provenance
from ..store.types import TrainResult
from ..text.names import NameSpace
from .config import TrainConfig
from .diagnosis import WARNING, warning_of
from .photos import mean_feature
from .run import TrainingRun

# Header entries that hold for every identity made by a projector, whichever person it was trained on.
_PROJECTOR_FACTS = ("base_fingerprint", "prediction", "face_encoder_licence")


def result_of(
    run: TrainingRun,
    name_spaces: Sequence[NameSpace],
    trigger: str,
    held_out: tuple[Tensor | None, Tensor],
    losses: Tensor,
    phase_losses: Tensor,
) -> TrainResult:
    """The result of one person's training.

    Args:
        held_out: the losses [N] on the validation draws before training, where they are known, and after it.
        losses: [steps].
        phase_losses: [2, steps].
    """
    before, after = held_out
    header = header_of(run, name_spaces, None if before is None else before.mean().item(), after.mean().item())
    words = run.words()
    if warning := warning_of(run.config, words, name_spaces, before, after):
        header[WARNING] = warning
    identity = Identity(trigger=trigger, words=words, header=header)
    facts = run.projector.origin | {key: header[key] for key in _PROJECTOR_FACTS if key in header}
    projector = trained_projector(run.projector, run.config, header.get("face_encoder", "none"), facts)
    return TrainResult(identity=identity, projector=projector, losses=losses, phase_losses=phase_losses)


def trained_projector(
    projector: Projector, config: TrainConfig, encoder: str, facts: Mapping[str, str] | None = None
) -> TrainedProjector:
    """A trained projector, with copies of its weights on the CPU."""
    return TrainedProjector(
        state={key: value.detach().cpu().clone() for key, value in projector.state_dict().items()},
        feature_width=projector.feature_width,
        settings=config.method_settings,
        encoder=encoder,
        method=projector.method,
        facts=facts or {},
    )


def format_held_out_loss(header: Mapping[str, str]) -> str:
    """The validation loss before and after training, from the header of an identity: "0.0412 -> 0.0368"."""
    losses = (header.get(f"held_out_loss_{when}") for when in ("before", "after"))
    return " -> ".join("not known" if loss is None else f"{float(loss):.4g}" for loss in losses)


def header_of(run: TrainingRun, name_spaces: Sequence[NameSpace], before: float | None, after: float) -> dict[str, str]:
    """The header of an identity from this run; `before` is None after a resume."""
    words = run.words()
    ranges = {
        ns.space: {
            "names": [round(value, 4) for value in ns.value_range],
            "words": [round(words[ns.space].min().item(), 4), round(words[ns.space].max().item(), 4)],
        }
        for ns in name_spaces
    }
    return {
        **run.projector.origin,
        "method": run.projector.method,
        "base_fingerprint": run.backend.fingerprint(),
        "prediction": run.backend.objective.name,
        **_encoder(run.faces[0]),
        "photos": str(len(run.faces)),
        **_quality(run.faces),
        "steps": str(run.step),
        **({} if run.scored is None else run.scored.header(run.step)),
        "seed": str(run.config.seed),
        "settings": json.dumps(run.config.as_dict(), sort_keys=True),
        "names": str(len(name_spaces[0].names)),
        **run.projector.facts(mean_feature(run.faces).to(run.backend.device)),
        "value_range": json.dumps(ranges, sort_keys=True),
        **({} if before is None else {"held_out_loss_before": f"{before:.6g}"}),
        "held_out_loss_after": f"{after:.6g}",
        **provenance(),
    }


def _encoder(face: Face) -> dict[str, str]:
    """The face encoder, for methods that use its features."""
    if face.feature is None:
        return {}
    return {"face_encoder": face.feature.encoder, "face_encoder_licence": face.feature.licence}


def _quality(faces: Sequence[Face]) -> dict[str, str]:
    """Quality measurements of the photos in their order, if there are any."""
    measured = [face.quality for face in faces]
    return {"photo_quality": json.dumps(measured, sort_keys=True)} if any(measured) else {}
