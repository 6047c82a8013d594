"""Identities in prompts."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.identity import normalize_trigger
from ..stableidentity_core.identity.prompt import check_triggers
from . import categories
from .growing import growing, grown
from .host import paths
from .host.prompts import apply_identities
from .types import TRIGGER_TOOLTIP, IdentityType, fits


class ApplyIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityApply",
            display_name="Apply Identity",
            category=categories.USE,
            description="Adds a person's trigger to a CLIP: every downstream prompt node understands <trigger>. "
            "Chain one node per person.",
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the base the person was learned on."),
                IdentityType.Input("identity", tooltip="From StableIdentity Train, Project or Load Identity."),
                io.String.Input(
                    "trigger",
                    default="",
                    placeholder="empty: the identity's own",
                    tooltip="Overrides the identity's trigger in this graph. " + TRIGGER_TOOLTIP,
                ),
            ],
            outputs=[io.Clip.Output(display_name="clip", tooltip="For CLIPTextEncode and all other prompt nodes.")],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger, needed=False)

    @classmethod
    def execute(cls, clip, identity, trigger) -> io.NodeOutput:
        identity = identity.renamed(trigger) if trigger.strip() else identity
        return io.NodeOutput(apply_identities(clip, [identity], paths.session_folder()))


class EncodePrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityEncodePrompt",
            display_name="Prompt with Identity",
            category=categories.USE,
            description="Encodes a prompt that names one or more people by their triggers, and raises an error if one "
            "of them is missing from it.",
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the base the people were learned on."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a photo of <person-1> wearing a red hat in the snow",
                    tooltip="The prompt, with each person's trigger in angle brackets.",
                ),
                *growing("identities", IdentityType.Input("identity", tooltip="A person in the prompt.")),
            ],
            outputs=[io.Conditioning.Output(display_name="conditioning", tooltip="For KSampler and ControlNet.")],
        )

    @classmethod
    def execute(cls, clip, text, **people) -> io.NodeOutput:
        identities = grown("identities", people)
        triggers = [one.trigger for one in identities]
        if len(set(triggers)) < len(triggers):
            raise StableIdentityError(
                f"Two of the {len(triggers)} identities have the same trigger ({', '.join(triggers)}), but each needs "
                "its own. Give one of them another trigger in Load Identity or StableIdentity Train."
            )
        applied = apply_identities(clip, identities, paths.session_folder())
        check_triggers(text, applied.tokenizer.identities, required=triggers)
        return io.NodeOutput(applied.encode_from_tokens_scheduled(applied.tokenize(text)))
