"""New people made from existing ones."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..stableidentity_core.identity import normalize_trigger
from ..stableidentity_core.identity.blend import interpolate_identities, mix_identities, sample_identity
from . import categories
from .types import TRIGGER_TOOLTIP, IdentityType, NameSpaceType, fits

NAMES_TOOLTIP = "From Celebrity Name Space, with the CLIP that the people were learned on."
LATER = ("3", "4")


class MixIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityMix",
            display_name="Mix Identities",
            category=categories.PEOPLE,
            description="Blends two to four people into a new person; equal weights give their mean. "
            "The result lies in the name space, like a learned person.",
            inputs=[
                IdentityType.Input("identity", tooltip="The first person."),
                IdentityType.Input("identity_2", tooltip="The second person."),
                NameSpaceType.Input("name_space", tooltip=NAMES_TOOLTIP),
                io.String.Input("trigger", default="mix", tooltip=TRIGGER_TOOLTIP),
                _weight("weight", "the first person"),
                _weight("weight_2", "the second person"),
                *(IdentityType.Input(f"identity_{n}", optional=True, tooltip="One more person.") for n in LATER),
                *(_weight(f"weight_{n}", f"identity_{n}, if it is connected", optional=True) for n in LATER),
            ],
            outputs=[IdentityType.Output(display_name="identity", tooltip="The new person's words.")],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger)

    @classmethod
    def execute(cls, identity, identity_2, name_space, trigger, weight, weight_2, **more) -> io.NodeOutput:
        people, weights = [identity, identity_2], [weight, weight_2]
        for number in LATER:
            if more.get(f"identity_{number}") is not None:
                people.append(more[f"identity_{number}"])
                weights.append(more.get(f"weight_{number}", 1.0))
        return io.NodeOutput(mix_identities(people, weights, name_space, trigger))


class InterpolateIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityInterpolate",
            display_name="Interpolate Identities",
            category=categories.PEOPLE,
            description="Interpolates between two people. With several steps, all downstream nodes run once for each "
            "intermediate person.",
            inputs=[
                IdentityType.Input("identity", tooltip="The person at t = 0."),
                IdentityType.Input("identity_2", tooltip="The person at t = 1."),
                NameSpaceType.Input("name_space", tooltip=NAMES_TOOLTIP),
                io.String.Input("trigger", default="between", tooltip="Shared by all steps. " + TRIGGER_TOOLTIP),
                io.Float.Input(
                    "t", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="How far to go: 0 is identity, 1 identity_2."
                ),
                io.Int.Input(
                    "steps",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="1: the person at t. More: this many people, evenly spaced from identity to the one at t.",
                ),
            ],
            outputs=[
                IdentityType.Output(
                    display_name="identity", is_output_list=True, tooltip="One person, or one for each step."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger)

    @classmethod
    def execute(cls, identity, identity_2, name_space, trigger, t, steps) -> io.NodeOutput:
        return io.NodeOutput(interpolate_identities(identity, identity_2, t, name_space, trigger, steps))


class SampleIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentitySample",
            display_name="Sample Identity",
            category=categories.PEOPLE,
            description="Samples a person who does not exist from the name space. Nothing is trained.",
            inputs=[
                NameSpaceType.Input("name_space", tooltip="Must come from the CLIP the person will be used with."),
                io.Int.Input(
                    "seed",
                    default=1,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Each number gives a different person; with the same names, always the same one.",
                ),
                io.String.Input("trigger", default="somebody", tooltip=TRIGGER_TOOLTIP),
            ],
            outputs=[IdentityType.Output(display_name="identity", tooltip="The new person's words.")],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger)

    @classmethod
    def execute(cls, name_space, seed, trigger) -> io.NodeOutput:
        return io.NodeOutput(sample_identity(name_space, seed, trigger))


def _weight(name: str, person: str, **more: Any) -> io.Input:
    return io.Float.Input(
        name,
        default=1.0,
        min=0.0,
        max=100.0,
        step=0.05,
        tooltip=f"Weight of {person}; only the ratios matter.",
        **more,
    )
