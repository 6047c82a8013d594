"""Training, saving and loading projectors over many people."""

from __future__ import annotations

from typing import Any, get_args

from comfy_api.latest import io

from ..stableidentity_core.encode import encode_face
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.files.names import IfExists, safe_file_name
from ..stableidentity_core.methods.projector_file import SUFFIX, load_projector, save_projector_under_name
from ..stableidentity_core.train.projector_session import MANY_PEOPLE
from ..stableidentity_core.train.warm_start import WarmStart
from . import categories, widgets
from .host import paths
from .host.cancel import checked
from .host.progress_text import tell
from .host.projector_training import train_projector_in_host
from .types import FaceEncoderType, FaceType, NameSpaceType, ProjectorType, fits, only

NODE = "Train Projector"


class TrainProjector(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTrainProjector",
            display_name="Train Projector (many people)",
            category=categories.LEARN,
            description="Learns from many people how a face becomes two words, so that a new person needs no training "
            "or only a short one. An interrupted training resumes when it is queued again.",
            inputs=[
                io.Model.Input("model", tooltip="The diffusion model: SD1.5, SD2.x or SDXL."),
                io.Clip.Input("clip", tooltip="Its text encoder (SDXL: both)."),
                io.Vae.Input("vae", tooltip="Its VAE."),
                FaceType.Input("face", tooltip="A list of faces, such as from Prepare Faces of a Folder."),
                FaceEncoderType.Input(
                    "face_encoder", optional=True, tooltip="Not needed when the faces come from Encode Face."
                ),
                NameSpaceType.Input("name_space", optional=True, tooltip="Default: the pack's own list of names."),
                io.String.Input(
                    "name",
                    optional=True,
                    force_input=True,
                    tooltip="The people's names, in the order of the faces, such as from Prepare Faces of a Folder. "
                    "Used by warm_start.",
                ),
                *_settings(),
            ],
            outputs=[
                ProjectorType.Output(
                    display_name="projector",
                    tooltip="For Project to Name Space, StableIdentity Train and Save Projector.",
                ),
                io.Image.Output(display_name="loss", tooltip="The loss over the steps."),
            ],
            is_input_list=True,  # all faces belong to one training
        )

    @classmethod
    def execute(cls, face, face_encoder=None, name_space=None, name=None, **inputs) -> io.NodeOutput:
        single = {name: only(name, values, NODE) for name, values in inputs.items()}
        preview_every, warm_start = single.pop("preview_every"), single.pop("warm_start")
        model, clip, vae = (single.pop(name) for name in ("model", "clip", "vae"))
        faces = [photo for photos in face for photo in photos]
        encoder = only("face_encoder", face_encoder or [None], NODE)
        return io.NodeOutput(
            *train_projector_in_host(
                model,
                clip,
                vae,
                photos=_with_titles(_encoded(faces, encoder), name),
                name_space=only("name_space", name_space or [None], NODE),
                config=MANY_PEOPLE.with_settings(**single),
                warm_start=warm_start,
                preview_every=preview_every,
            )
        )


class SaveProjector(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentitySaveProjector",
            display_name="Save Projector",
            category=categories.LEARN,
            description="Saves a projector to models/stableidentity/projectors, for Load Projector.",
            inputs=[
                ProjectorType.Input("projector", tooltip="The projector to save."),
                io.String.Input("name", default="projector", tooltip="File name without extension."),
                io.Combo.Input(
                    "if_exists",
                    options=[choice.value for choice in IfExists],
                    default=IfExists.NUMBER.value,
                    optional=True,  # missing in older saved prompts
                    tooltip="If another projector already has this name: save as name-2, replace the file, or stop. An "
                    "identical file is left as it is.",
                ),
            ],
            outputs=[io.String.Output(display_name="name", tooltip="The file name, as listed by Load Projector.")],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool | str:
        return fits(lambda given: safe_file_name(given.removesuffix(SUFFIX)), name)

    @classmethod
    def execute(cls, projector, name, if_exists=IfExists.NUMBER.value) -> io.NodeOutput:
        path = save_projector_under_name(projector, paths.projectors_folder(), name, IfExists(if_exists))
        tell(f"saved as {path.name}")
        return io.NodeOutput(path.name, ui={"text": [path.name]})


class LoadProjector(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoadProjector",
            display_name="Load Projector",
            category=categories.LEARN,
            description="Loads a projector from models/stableidentity/projectors.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=paths.projectors(),
                    tooltip="A file in models/stableidentity/projectors. The mini world's comes from Load Mini World.",
                )
            ],
            outputs=[
                ProjectorType.Output(
                    display_name="projector", tooltip="For Project to Name Space and StableIdentity Train."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, name: str) -> str:
        return paths.file_state(paths.projector_path(name))

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        return io.NodeOutput(load_projector(paths.projector_path(name)))


def _encoded(faces: list[Face], encoder: Any) -> list[Face]:
    if encoder is not None:
        return [encode_face(encoder, face) for face in checked(faces)]
    without = sum(face.feature is None for face in faces)
    if without:
        raise StableIdentityError(
            f"{without} of {len(faces)} faces have no feature yet: connect a face encoder to Train Projector, or put "
            "Encode Face in front of it."
        )
    return faces


def _with_titles(faces: list[Face], names: list[str] | None) -> list[tuple[str, Face]]:
    if names is None:
        return [("", face) for face in faces]
    if len(names) != len(faces):
        raise StableIdentityError(
            f"Train Projector got {len(faces)} faces and {len(names)} names, needed one name for each face. Connect "
            "both from Prepare Faces of a Folder, or disconnect the names."
        )
    return list(zip(names, faces, strict=True))


def _settings() -> list[io.Input]:
    default = MANY_PEOPLE
    return [
        io.Int.Input("steps", default=default.steps, min=1, max=1_000_000, tooltip="Training steps."),
        io.Int.Input(
            "batch_size",
            default=default.batch_size,
            min=1,
            max=256,
            tooltip="People per step. If memory runs out, halve it and double the steps.",
        ),
        widgets.learning_rate(default.learning_rate, "Initial learning rate of AdamW; it decays to 0 over the steps."),
        widgets.seed("Determines the initial weights and all random draws."),
        widgets.resolution(default.resolution),
        widgets.hair_weight(default.hair_weight, "Loss weight of the hair, relative to the face."),
        widgets.preview_every(50),
        io.Combo.Input(
            "warm_start",
            options=list(get_args(WarmStart)),
            default="no",
            tooltip="first: start with photos named after celebrities in the name space, for whom the words are known. "
            "only: stop after that, within seconds. Needs name connected, with at least 50 such names.",
        ),
        *widgets.computing(),
    ]
