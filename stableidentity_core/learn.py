"""One call from prepared photo to identity, used by the nodes and by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

import torch

from . import __version__
from .backends.protocol import DiffusionBackend
from .errors import StableIdentityError
from .face.portrait import Face
from .identity.types import Identity
from .store import TrainResult
from .train.config import TrainConfig
from .train.loop import StepReport, TrainingRun, held_out_loss
from .train.photos import check_photos, mean_feature
from .words.names import NameSpace
from .words.projector import StableIdentityProjector, TrainedProjector


def make_projector(faces: list[Face], name_spaces: list[NameSpace], config: TrainConfig) -> StableIdentityProjector:
    """A fresh projector with the seed's initial weights, sized for the faces and name spaces."""
    widths = {face.feature.plain.shape[0] for face in faces if face.feature is not None}
    if len(widths) != 1:
        raise StableIdentityError(
            f"The faces have features of widths {sorted(widths)}, needed one width: encode all with one face encoder."
        )
    check_photos(faces)
    generator = torch.Generator().manual_seed(config.seed)
    return StableIdentityProjector(widths.pop(), name_spaces, config.normalization, generator)


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
    before = held_out_loss(run.backend, run.faces, run.projector, run.config)
    losses = []
    for report in run:
        losses.append(report.loss)
        on_step(report)
    words = run.words()
    run.projector.requires_grad_(False)
    after = held_out_loss(run.backend, run.faces, run.projector, run.config)
    header = describe(run, name_spaces, before, after)
    identity = Identity(trigger=trigger, words=words, header=header)
    projector = TrainedProjector(
        state={key: value.detach().cpu().clone() for key, value in run.projector.state_dict().items()},
        feature_width=run.projector.feature_width,
        normalization=run.config.normalization,
        encoder=header["face_encoder"],
    )
    return TrainResult(identity=identity, projector=projector, losses=torch.tensor(losses))


def project(
    faces: Face | Sequence[Face], projector: TrainedProjector, name_spaces: list[NameSpace], trigger: str
) -> Identity:
    """Words for a person by a trained projector, without any step of training.

    Several photos of the person give one identity, by their mean feature.

    Raises:
        StableIdentityError: no photo, or one that has no feature or one of another encoder than the projector's.
    """
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
        words = projector.build(name_spaces)(mean_feature(photos))
    header = {
        "method": StableIdentityProjector.method,
        "version": __version__,
        "face_encoder": projector.encoder,
        "photos": str(len(photos)),
        "steps": "0",
        "date": today(),
    }
    return Identity(trigger=trigger, words={space: value[0].clone() for space, value in words.items()}, header=header)


def today() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def describe(run: TrainingRun, name_spaces: list[NameSpace], before: float, after: float) -> dict[str, str]:
    """The header of an identity learned by this run."""
    feature = run.faces[0].feature
    assert feature is not None  # a run only takes faces with features
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
        "version": __version__,
        "base_fingerprint": run.backend.fingerprint(),
        "prediction": run.backend.prediction.value,
        "face_encoder": feature.encoder,
        "face_encoder_licence": feature.licence,
        "photos": str(len(run.faces)),
        **_quality(run.faces),
        "steps": str(run.step),
        "seed": str(run.config.seed),
        "settings": json.dumps(run.config.as_dict(), sort_keys=True),
        "names": str(len(name_spaces[0].names)),
        "value_range": json.dumps(ranges, sort_keys=True),
        "held_out_loss_before": f"{before:.6g}",
        "held_out_loss_after": f"{after:.6g}",
        "date": today(),
    }


def _quality(faces: Sequence[Face]) -> dict[str, str]:
    """What was measured on the photos, in their order; nothing where none was."""
    measured = [face.quality for face in faces]
    return {"photo_quality": json.dumps(measured, sort_keys=True)} if any(measured) else {}
