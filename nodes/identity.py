"""Identities without training: projected, saved, loaded."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.files.names import IfExists
from ..stableidentity_core.identity import load_identity, normalize_trigger
from ..stableidentity_core.identity.places import Places
from ..stableidentity_core.identity.save import embedding_name, save_under_name
from ..stableidentity_core.train.project import project
from .host import paths
from .types import CATEGORY, TRIGGER_TOOLTIP, FaceType, IdentityType, NameSpaceType, ProjectorType, fits

IF_EXISTS = [choice.value for choice in IfExists]


class _Saves:
    """Tells folders changed by others, which calls for saving again, from those changed by our own saving."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, int]] = {}  # name: (state of its files, how often others changed it)

    def fingerprint(self, name: str) -> int:
        state, changes = self._state(name), 0
        if name in self.known:
            before, changes = self.known[name]
            changes += state != before
        self.known[name] = (state, changes)
        return changes

    def note(self, name: str) -> None:
        """The folders are now as our saving has left them."""
        _before, changes = self.known.get(name, ("", 0))
        self.known[name] = (self._state(name), changes)

    def _state(self, name: str) -> str:
        return Places(paths.embeddings_folders()).state(name.strip())


_saves = _Saves()


class Project(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityProject",
            display_name="Project to Name Space",
            category=CATEGORY,
            description="Turns a face into words by a projector that is already trained, without any training step.",
            inputs=[
                FaceType.Input("face", tooltip="From Encode Face, with the encoder the projector was trained with."),
                ProjectorType.Input("projector", tooltip="From Train Projector or Load Projector, or of a training."),
                NameSpaceType.Input("name_space", tooltip="Of the CLIP the words are for."),
                io.String.Input("trigger", default="person-1", tooltip=TRIGGER_TOOLTIP),
            ],
            outputs=[IdentityType.Output(display_name="identity", tooltip="The person's words.")],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger)

    @classmethod
    def execute(cls, face, projector, name_space, trigger) -> io.NodeOutput:
        return io.NodeOutput(project(list(face), projector, list(name_space), trigger))


class SaveIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentitySave",
            display_name="Save Identity",
            category=CATEGORY,
            description="Saves a person to models/embeddings. Any prompt then understands embedding:NAME, "
            "here and in other programs.",
            inputs=[
                IdentityType.Input("identity", tooltip="The person to save."),
                io.String.Input(
                    "name",
                    default="person-1",
                    tooltip="File name without ending: letters, digits, '.', '_', '-'; not a number.",
                ),
                io.Combo.Input(
                    "if_exists",
                    options=IF_EXISTS,
                    default=IfExists.NUMBER.value,
                    tooltip="When another person has this name in any folder of embeddings: save as name-2, replace "
                    "that file (ComfyUI may go on using the old words in prompts it has cached), or stop.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="embedding", tooltip="What to type in a prompt: embedding:NAME, as it was saved."
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool | str:
        return fits(embedding_name, name)

    @classmethod
    def fingerprint_inputs(cls, name="", **_widgets) -> int:
        return _saves.fingerprint(name or "")  # None when it comes by a link

    @classmethod
    def execute(cls, identity, name, if_exists) -> io.NodeOutput:
        folder, *others = paths.embeddings_folders()
        path = save_under_name(identity, folder, name, IfExists(if_exists), others)
        _saves.note(name)
        prompt = f"embedding:{path.stem}"
        shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path
        return io.NodeOutput(prompt, ui={"text": [f"{shown}: type {prompt} in a prompt"]})


class LoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoad",
            display_name="Load Identity",
            category=CATEGORY,
            description="Loads a person from models/embeddings: one of ours, the published code's .pt, "
            "or any textual inversion.",
            inputs=[
                io.Combo.Input("name", options=paths.embeddings(), tooltip="A file in models/embeddings."),
                io.String.Input(
                    "trigger",
                    default="",
                    placeholder="empty: as saved",
                    tooltip="Another trigger than the file's own. " + TRIGGER_TOOLTIP,
                ),
            ],
            outputs=[IdentityType.Output(display_name="identity", tooltip="The person's words.")],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger, needed=False)

    @classmethod
    def fingerprint_inputs(cls, name=None, trigger=None) -> str:
        if name is None:
            return ""  # it comes by a link, whose change the host sees
        return f"{paths.file_state(paths.embedding_path(name))} {trigger}"

    @classmethod
    def execute(cls, name, trigger) -> io.NodeOutput:
        return io.NodeOutput(load_identity(paths.embedding_path(name), trigger.strip() or None))
