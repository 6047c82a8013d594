"""Projecting, saving and loading identities, all without training."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.files.names import IfExists
from ..stableidentity_core.identity import load_identity, normalize_trigger
from ..stableidentity_core.identity.places import Places
from ..stableidentity_core.identity.portraits import portrait_png
from ..stableidentity_core.identity.save import embedding_name, save_under_name
from ..stableidentity_core.train.diagnosis import WARNING
from ..stableidentity_core.train.project import project
from . import categories
from .host import paths
from .host.flow.table import has_to_be_applied
from .host.mini_world import is_of_mini_world
from .host.people_routes import announce
from .host.progress_text import tell
from .types import TRIGGER_TOOLTIP, FaceType, IdentityType, NameSpaceType, ProjectorType, fits

IF_EXISTS = [choice.value for choice in IfExists]


class _Saves:
    """Distinguishes changes made by others, after which the node must save again, from its own saves."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, int]] = {}  # name: (state of its files, number of changes by others)

    def fingerprint(self, name: str) -> int:
        state, changes = self._state(name), 0
        if name in self.known:
            before, changes = self.known[name]
            changes += state != before
        self.known[name] = (state, changes)
        return changes

    def note(self, name: str) -> None:
        """Record the state of the folders after our own save."""
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
            category=categories.LEARN,
            description="Turns a face into words with a trained projector, without any training step.",
            inputs=[
                FaceType.Input("face", tooltip="From Encode Face, using the encoder the projector was trained with."),
                ProjectorType.Input("projector", tooltip="From Train Projector, Load Projector or a training."),
                NameSpaceType.Input("name_space", tooltip="Must come from the CLIP the words will be used with."),
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
            category=categories.LEARN,
            description="Saves a person to models/embeddings. Any prompt then understands embedding:NAME, "
            "here and in other programs.",
            inputs=[
                IdentityType.Input("identity", tooltip="The person to save."),
                io.String.Input(
                    "name",
                    default="person-1",
                    tooltip="File name without extension: letters, digits, '.', '_', '-'; not a number.",
                ),
                io.Combo.Input(
                    "if_exists",
                    options=IF_EXISTS,
                    default=IfExists.NUMBER.value,
                    tooltip="If another person already has this name in any embeddings folder: save as name-2, replace "
                    "that file (ComfyUI may keep using the old words in cached prompts), or stop.",
                ),
                io.Image.Input(
                    "portrait_from",
                    optional=True,
                    tooltip="The picture to keep if portrait is on: the output aligned of Prepare Face, or any other "
                    "picture, such as a painted one. Of several, the first.",
                ),
                io.Boolean.Input(
                    "portrait",
                    default=False,
                    optional=True,
                    tooltip="Keep the picture at portrait_from beside the file, as NAME.preview.png, for the sidebar "
                    "Identities and ComfyUI's model library. Everyone who can use this ComfyUI sees it: turn it on "
                    "only with the person's consent. Off: no picture is kept; one that was kept before stays.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="embedding",
                    tooltip="What to type in a prompt: embedding:NAME, under the saved name; for people of the mini "
                    "world embedding:mini_world/NAME.",
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool | str:
        return fits(embedding_name, name)

    @classmethod
    def fingerprint_inputs(cls, name="", **_widgets) -> int:
        return _saves.fingerprint(name or "")  # None if connected

    @classmethod
    def execute(cls, identity, name, if_exists, portrait_from=None, portrait=False) -> io.NodeOutput:
        picture = _portrait(portrait_from) if portrait else None
        first, *_others = folders = paths.embeddings_folders()
        drawn = is_of_mini_world({space: words.shape[-1] for space, words in identity.words.items()})
        path = save_under_name(
            identity,
            first / paths.MINI_WORLD if drawn else first,
            name,
            IfExists(if_exists),
            folders,
            portrait=picture,
            may_stay=lambda file: paths.is_among_mini_world(file) == drawn,
        )
        _saves.note(name)
        announce()
        prompt, behind = f"embedding:{Places(folders).prompt_name(path) or path.stem}", ""
        if has_to_be_applied(identity.words):
            prompt, behind = identity.trigger, " behind Apply Identity"
        shown = path.relative_to(first).as_posix() if path.is_relative_to(first) else path
        told = f"{shown}: type {prompt} in a prompt{behind}"
        tell(told)
        return io.NodeOutput(prompt, ui={"text": [told]})


def _portrait(pictures: Tensor | None) -> bytes:
    if pictures is None:
        raise StableIdentityError(
            "Save Identity has portrait on, but nothing is connected to portrait_from. Connect the output aligned of "
            "Prepare Face, or turn portrait off."
        )
    return portrait_png(pictures[0])


class LoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoad",
            display_name="Load Identity",
            category=categories.USE,
            description="Loads a person from models/embeddings: a file of this pack, a .pt of the published code, "
            "or any textual inversion.",
            inputs=[
                io.Combo.Input("name", options=paths.embeddings(), tooltip="A file in models/embeddings."),
                io.String.Input(
                    "trigger",
                    default="",
                    placeholder="empty: as saved",
                    tooltip="Overrides the trigger stored in the file. " + TRIGGER_TOOLTIP,
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
            return ""  # connected: the host notices changes
        return f"{paths.file_state(paths.embedding_path(name))} {trigger}"

    @classmethod
    def execute(cls, name, trigger) -> io.NodeOutput:
        identity = load_identity(paths.embedding_path(name), trigger.strip() or None)
        if WARNING not in identity.header:
            return io.NodeOutput(identity)
        told = f"Warning of its training: {identity.header[WARNING]}"
        tell(told)
        return io.NodeOutput(identity, ui={"text": [told]})
