"""Several prompts for one sampler."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from . import categories

NEEDED = "Prompt List has no prompt. Type one on each line."


class PromptList(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPrompts",
            display_name="Prompt List",
            category=categories.USE,
            description="One prompt on each line, as a list: every downstream node runs once for each, so that a "
            "single sampler makes a picture of every prompt.",
            inputs=[
                io.String.Input(
                    "prompts",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a photo of <person-1> wearing a red hat in the snow\na pencil sketch of <person-1>",
                    tooltip="One prompt on each line. Empty lines are skipped.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="prompt", is_output_list=True, tooltip="The prompts, for the text of a prompt node."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, prompts: str | None = None) -> bool | str:
        return prompts is None or bool(_lines(str(prompts))) or NEEDED

    @classmethod
    def execute(cls, prompts: str) -> io.NodeOutput:
        if not (lines := _lines(prompts)):
            raise StableIdentityError(NEEDED)
        return io.NodeOutput(lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
