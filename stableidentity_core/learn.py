"""One call from prepared photo to identity, used by the nodes and by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .backends.protocol import DiffusionBackend
from .errors import StableIdentityError
from .face.portrait import Face
from .header import written
from .identity.types import Identity
from .store import TrainResult
from .train.config import TrainConfig
from .train.held_out import held_out_losses
from .train.loop import StepReport, TrainingRun, train_together
from .train.photos import check_photos, mean_feature
from .words.basis import CelebBasisProjector
from .words.free import TextualInversionProjector, start_words
from .words.method import Projector
from .words.names import NameSpace
from .words.projector import StableIdentityProjector
from .words.trained import TrainedProjector, needs_face


def make_projector(
    backend: DiffusionBackend, faces: list[Face], name_spaces: list[NameSpace], config: TrainConfig
) -> Projector:
    """A fresh projector of the settings' method, with the seed's initial weights.

    It is sized for the faces and name spaces; Textual Inversion starts from words of the backend's text encoder.
    """
    if not needs_face(config.method):
        check_photos(faces, needs_face=False)
        return TextualInversionProjector(_start(backend))
    widths = {face.feature.plain.shape[0] for face in faces if face.feature is not None}
    if len(widths) != 1:
        raise StableIdentityError(
            f"The faces have features of widths {sorted(widths)}, needed one width: encode all with one face encoder."
        )
    check_photos(faces)
    generator = torch.Generator().manual_seed(config.seed)
    if config.method == "celeb_basis":
        return CelebBasisProjector(widths.pop(), name_spaces, generator)
    return StableIdentityProjector(widths.pop(), name_spaces, config.normalization, generator)


def _start(backend: DiffusionBackend) -> dict[str, Tensor]:  # {text space: [2, D]}
    return {
        space.name: start_words(
            space.name,
            lambda text, name=space.name: backend.tokenize(name, text),
            lambda ids, name=space.name: backend.embed_tokens(name, ids),
        )
        for space in backend.text_spaces
    }


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

    `on_step` is called after each step. The loss on draws kept aside is measured before and after
    and noted in the header, as is the range of the words beside that of the names.
    """
    return learn_identities([run], name_spaces, [trigger], lambda reports: on_step(reports[0]))[0]


def learn_identities(
    runs: Sequence[TrainingRun],
    name_spaces: list[NameSpace],
    triggers: Sequence[str],
    on_step: Callable[[tuple[StepReport, ...]], None] = lambda reports: None,
) -> list[TrainResult]:
    """The same for several people that are learned side by side, see `train_together`; one result for each run."""
    before = held_out_losses(runs)
    losses = []
    for reports in train_together(runs):
        losses.append([report.loss for report in reports])
        on_step(reports)
    for run in runs:
        run.projector.eval().requires_grad_(False)
    after = held_out_losses(runs)
    curves = torch.tensor(losses).reshape(-1, len(runs)).T  # [P, steps]
    return [
        _result(run, name_spaces, trigger, own, curve.clone())
        for run, trigger, own, curve in zip(runs, triggers, zip(before, after, strict=True), curves, strict=True)
    ]


def _result(
    run: TrainingRun, name_spaces: list[NameSpace], trigger: str, held_out: tuple[float, float], losses: Tensor
) -> TrainResult:
    header = describe(run, name_spaces, *held_out)
    identity = Identity(trigger=trigger, words=run.words(), header=header)
    projector = TrainedProjector(
        state={key: value.detach().cpu().clone() for key, value in run.projector.state_dict().items()},
        feature_width=run.projector.feature_width,
        normalization=run.config.normalization,
        encoder=header.get("face_encoder", "none"),
        method=run.projector.method,
    )
    return TrainResult(identity=identity, projector=projector, losses=losses)


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
        if face.feature.encoder != projector.encoder:
            raise StableIdentityError(
                f"{what} was encoded by {face.feature.encoder}, the projector was trained with {projector.encoder}. "
                "Encode the face with the same encoder."
            )
    with torch.no_grad():
        built, feature = projector.build(name_spaces), mean_feature(photos)
        words = built(feature)
    header = {
        "method": projector.method,
        "face_encoder": projector.encoder,
        "photos": str(len(photos)),
        **built.facts(feature),
        "steps": "0",
        **written(),
    }
    return Identity(trigger=trigger, words={space: value[0].clone() for space, value in words.items()}, header=header)


def describe(run: TrainingRun, name_spaces: list[NameSpace], before: float, after: float) -> dict[str, str]:
    """The header of an identity learned by this run."""
    words = run.words()
    ranges = {
        ns.space: {
            "names": [round(value, 4) for value in ns.value_range],
            "words": [round(words[ns.space].min().item(), 4), round(words[ns.space].max().item(), 4)],
        }
        for ns in name_spaces
    }
    return {
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
        "held_out_loss_before": f"{before:.6g}",
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
