"""One call from prepared photo to identity, used by the nodes and by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError
from ..face.portrait import Face
from ..identity.types import Identity
from ..methods.base import Projector
from ..methods.trained import TrainedProjector, needs_face
from ..provenance import written
from ..store import TrainResult
from ..text.names import NameSpace
from .config import TrainConfig
from .diagnosis import WARNING, warning_of
from .loop import check_together, train_together
from .photos import mean_feature
from .projector_init import check_encoder
from .run import TrainingRun
from .step_report import StepReport
from .validation import HeldOut

# What is true of every identity made by a projector, whoever it was trained with.
_PROJECTOR_FACTS = ("base_fingerprint", "prediction", "face_encoder_licence")


def check_spaces(backend: DiffusionBackend, name_spaces: list[NameSpace]) -> None:
    """Raise unless there is one name space per text space of the model, of its width."""
    needed = {space.name: space.width for space in backend.text_spaces}
    found = {ns.space: ns.width for ns in name_spaces}
    if needed != found:
        raise StableIdentityError(
            f"The name space was made for {found} (text space: width), the connected CLIP needs {needed}. "
            "Connect the same CLIP to Celebrity Name Space and to the training."
        )


def learn_identity(
    run: TrainingRun,
    name_spaces: list[NameSpace],
    trigger: str,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> TrainResult:
    """Train to the end and collect the result.

    `on_step` is called after each step. The loss on draws kept aside is measured before and after (of a run that goes
    on from a checkpoint only after) and noted in the header, as is the range of the words beside that of the names.
    A training that made things worse has a `warning` there, see `verdict`.
    """
    return learn_identities([run], name_spaces, [trigger], lambda reports: on_step(reports[0]))[0]


def learn_identities(
    runs: Sequence[TrainingRun],
    name_spaces: list[NameSpace],
    triggers: Sequence[str],
    on_step: Callable[[tuple[StepReport, ...]], None] = lambda reports: None,
) -> list[TrainResult]:
    """The same for several people that are learned side by side, see `train_together`; one result for each run."""
    check_together(runs)
    projectors = [run.projector for run in runs]
    losses = []
    with runs[0].computing():
        held_out = HeldOut.of(runs)
        before = held_out.each(projectors) if runs[0].step == 0 else [None] * len(runs)
        for reports in train_together(runs):
            losses.append(torch.stack([report.loss_on_device for report in reports]))
            on_step(reports)
        for projector in projectors:
            projector.eval().requires_grad_(False)
        after = held_out.each(projectors)
    curves = torch.stack(losses).float().cpu() if losses else torch.zeros(0, len(runs))  # [steps, P]
    return [
        _result(run, name_spaces, trigger, own, curve.clone())
        for run, trigger, own, curve in zip(runs, triggers, zip(before, after, strict=True), curves.T, strict=True)
    ]


def _result(
    run: TrainingRun, name_spaces: list[NameSpace], trigger: str, held_out: tuple[Tensor | None, Tensor], losses: Tensor
) -> TrainResult:
    before, after = held_out
    header = describe(run, name_spaces, None if before is None else before.mean().item(), after.mean().item())
    words = run.words()
    if warning := warning_of(run.config, words, name_spaces, before, after):
        header[WARNING] = warning
    identity = Identity(trigger=trigger, words=words, header=header)
    facts = run.projector.origin | {key: header[key] for key in _PROJECTOR_FACTS if key in header}
    projector = trained(run.projector, run.config, header.get("face_encoder", "none"), facts)
    return TrainResult(identity=identity, projector=projector, losses=losses)


def trained(
    projector: Projector, config: TrainConfig, encoder: str, facts: Mapping[str, str] | None = None
) -> TrainedProjector:
    """A projector as it is kept: copies of its weights on the CPU."""
    return TrainedProjector(
        state={key: value.detach().cpu().clone() for key, value in projector.state_dict().items()},
        feature_width=projector.feature_width,
        normalization=config.normalization,
        encoder=encoder,
        method=projector.method,
        facts=facts or {},
    )


def project(
    faces: Face | Sequence[Face], projector: TrainedProjector, name_spaces: list[NameSpace], trigger: str
) -> Identity:
    """Words for a person by a trained projector, without any step of training.

    Several photos of the person give one identity, by their mean feature.

    Raises:
        StableIdentityError: no photo, one that has no feature or one of another encoder than the projector's, or a
            projector that does not look at faces.
    """
    if not needs_face(projector.method):
        raise StableIdentityError(
            f"The projector is of {projector.method}, which learns its words without looking at a face's feature and "
            "has none for another face. Train with stableidentity or celeb_basis, or give this person a training too."
        )
    photos = [faces] if isinstance(faces, Face) else list(faces)
    if not photos:
        raise StableIdentityError("There is no face to project; needed at least one, from Encode Face.")
    for number, face in enumerate(photos, 1):
        what = "The face" if len(photos) == 1 else f"Face {number} of {len(photos)}"
        if face.feature is None:
            raise StableIdentityError(f"{what} has no feature yet; put Encode Face before Project to Name Space.")
        check_encoder(face, projector, what)
    with torch.no_grad():
        built, feature = projector.build(name_spaces), mean_feature(photos)
        words = built(feature)
    header = {
        "method": projector.method,
        "face_encoder": projector.encoder,
        "photos": str(len(photos)),
        **built.facts(feature),
        "steps": "0",
        **projector.facts,
        **written(),
    }
    return Identity(trigger=trigger, words={space: value[0].clone() for space, value in words.items()}, header=header)


def told_held_out(header: Mapping[str, str]) -> str:
    """What the header of an identity says of the loss on draws kept aside: "0.0412 -> 0.0368"."""
    told = (header.get(f"held_out_loss_{when}") for when in ("before", "after"))
    return " -> ".join("not known" if loss is None else f"{float(loss):.4g}" for loss in told)


def describe(run: TrainingRun, name_spaces: list[NameSpace], before: float | None, after: float) -> dict[str, str]:
    """The header of an identity learned by this run; `before` is None where it is not known any more."""
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
        "prediction": run.backend.prediction.value,
        **_encoder(run.faces[0]),
        "photos": str(len(run.faces)),
        **_quality(run.faces),
        "steps": str(run.step),
        "seed": str(run.config.seed),
        "settings": json.dumps(run.config.as_dict(), sort_keys=True),
        "names": str(len(name_spaces[0].names)),
        **run.projector.facts(mean_feature(run.faces).to(run.backend.device)),
        "value_range": json.dumps(ranges, sort_keys=True),
        **({} if before is None else {"held_out_loss_before": f"{before:.6g}"}),
        "held_out_loss_after": f"{after:.6g}",
        **written(),
    }


def _encoder(face: Face) -> dict[str, str]:
    """The encoder of the features, where the method looked at them."""
    if face.feature is None:
        return {}
    return {"face_encoder": face.feature.encoder, "face_encoder_licence": face.feature.licence}


def _quality(faces: Sequence[Face]) -> dict[str, str]:
    """What was measured on the photos, in their order; nothing where none was."""
    measured = [face.quality for face in faces]
    return {"photo_quality": json.dumps(measured, sort_keys=True)} if any(measured) else {}
