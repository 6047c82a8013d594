"""Several people at once: collecting them for one training, and picking one from the resulting list."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.identity.triggers import split_triggers, triggers_of
from . import categories
from .growing import growing, grown
from .types import TRIGGER_TOOLTIP, FaceType, IdentityType, fits, only

NODE = "Several People"


class SeveralPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPeople",
            display_name=NODE,
            category=categories.PEOPLE,
            description="Collects faces and their triggers for one StableIdentity Train, which learns them together, "
            "faster than one after another.",
            inputs=[
                *growing("faces", FaceType.Input("face", tooltip="A person, from Prepare Face; or a list.")),
                io.String.Input(
                    "trigger",
                    default="",
                    placeholder="anna, ben, ... (empty: person-1, person-2, ...)",
                    tooltip="One for each person, in their order, separated by commas. " + TRIGGER_TOOLTIP,
                ),
            ],
            outputs=[
                FaceType.Output(
                    display_name="face", is_output_list=True, tooltip="All faces, for StableIdentity Train."
                ),
                io.String.Output(
                    display_name="trigger",
                    is_output_list=True,
                    tooltip="Their triggers, for trigger of StableIdentity Train and name of Save Identity.",
                ),
            ],
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, trigger=None, faces=None) -> bool | str:
        answers = (fits(split_triggers, text, needed=False) for text in trigger or [])
        return next((answer for answer in answers if answer is not True), True)

    @classmethod
    def execute(cls, trigger, **people) -> io.NodeOutput:
        faces = [face for given in grown("faces", people) for face in given if face is not None]
        if not faces:
            raise StableIdentityError(f"{NODE} got no face; needed at least one, from Prepare Face or Encode Face.")
        named = any(text.strip() for text in trigger)
        texts = trigger if named else [f"person-{number}" for number in range(1, len(faces) + 1)]
        return io.NodeOutput(faces, [trigger[1:-1] for trigger in triggers_of(texts, len(faces))])


class PickIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPick",
            display_name="Pick Identity",
            category=categories.PEOPLE,
            description="Picks one person from the list that a training of several people returns, so that two of them "
            "can appear in one prompt.",
            inputs=[
                IdentityType.Input("identity", tooltip="A list of people, from StableIdentity Train."),
                io.Int.Input("number", default=1, min=1, max=4096, tooltip="Position in the list, counting from 1."),
            ],
            outputs=[IdentityType.Output(display_name="identity", tooltip="The chosen person.")],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, identity, number) -> io.NodeOutput:
        which = only("number", number, "Pick Identity")
        if not 1 <= which <= len(identity):
            raise StableIdentityError(
                f"Pick Identity is set to number {which}, but there are {len(identity)} people "
                f"({', '.join(one.trigger for one in identity) or 'none'}). Choose 1 to {len(identity)}."
            )
        return io.NodeOutput(identity[which - 1])
