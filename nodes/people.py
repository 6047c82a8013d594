"""Several people at once: collecting them for one training, and picking one from the resulting list."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.identity.triggers import check_different, split_triggers, triggers_of
from . import categories
from .types import TRIGGER_TOOLTIP, FaceType, IdentityType, fits, only

PEOPLE = 8
NUMBERS = range(1, PEOPLE + 1)
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
                FaceType.Input("face", tooltip="The first person, from Prepare Face or Encode Face; or a list."),
                io.String.Input("trigger", default="person-1", tooltip=TRIGGER_TOOLTIP),
                *(one for number in NUMBERS[1:] for one in _slot(number)),
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
    def validate_inputs(
        cls,
        trigger=None,
        trigger_2=None,
        trigger_3=None,
        trigger_4=None,
        trigger_5=None,
        trigger_6=None,
        trigger_7=None,
        trigger_8=None,
    ) -> bool | str:
        given = (trigger, trigger_2, trigger_3, trigger_4, trigger_5, trigger_6, trigger_7, trigger_8)
        # Later triggers count only if their face is connected; an empty one is checked at run time.
        answers = (fits(split_triggers, text, needed=not at) for at, texts in enumerate(given) for text in texts or [])
        return next((answer for answer in answers if answer is not True), True)

    @classmethod
    def execute(cls, face, trigger, **more) -> io.NodeOutput:
        given = {"face": face, "trigger": trigger, **more}
        faces, triggers = [], []
        for number in NUMBERS:
            own = [one for one in given.get(_name("face", number)) or [] if one is not None]
            if own:
                faces += own
                triggers += triggers_of(given.get(_name("trigger", number)) or [f"person-{number}"], len(own))
        if not faces:
            raise StableIdentityError(f"{NODE} got no face; needed at least one, from Prepare Face or Encode Face.")
        check_different(triggers)
        return io.NodeOutput(faces, [trigger[1:-1] for trigger in triggers])


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


def _name(what: str, number: int) -> str:
    return what if number == 1 else f"{what}_{number}"


def _slot(number: int) -> list[io.Input]:
    return [
        FaceType.Input(_name("face", number), optional=True, tooltip="Another person, or a list of people."),
        io.String.Input(
            _name("trigger", number),
            default=f"person-{number}",
            optional=True,
            tooltip=f"For {_name('face', number)}, if connected. " + TRIGGER_TOOLTIP,
        ),
    ]
