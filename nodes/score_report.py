"""Several measurements side by side, and as a page."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io, ui

from ..stableidentity_core.suite.scored import compare, comparison_sheet, write_comparison
from . import categories
from .growing import growing, grown
from .host.paths import report_folder
from .host.progress_text import tell
from .types import ScoresType, only

NODE = "Evaluation Report"


class EvaluationReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityReport",
            display_name=NODE,
            category=categories.MEASURE,
            description="Compares what Score Pictures measured: methods, settings or people, with the same prompts and "
            "recogniser. Saves a page with tables and pictures in ComfyUI's output folder.",
            inputs=[
                *growing("scores", ScoresType.Input("score", tooltip="From Score Pictures, or a list.")),
                io.String.Input(
                    "names",
                    default="",
                    placeholder="fast, paper, ... (empty: the methods)",
                    tooltip="What each is called, in their order, separated by commas. Measurements of several people "
                    "may share a name: their mean is shown. Letters, digits, '.', '_' and '-'.",
                ),
                io.String.Input("title", default="How good is this identity", tooltip="The heading of the page."),
                io.String.Input(
                    "filename_prefix",
                    default="StableIdentity/report",
                    tooltip="Where in the output folder the page is saved, with its pictures; a number is added.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="table", tooltip="Means in Markdown, with 95 % intervals if there are several people."
                ),
                io.Image.Output(display_name="sheet", tooltip="A row of pictures for each measurement."),
                io.String.Output(display_name="report", tooltip="The path of report.html. Open it in a browser."),
            ],
            is_output_node=True,
            is_input_list=True,
        )

    @classmethod
    def execute(cls, names, title, filename_prefix, **measured) -> io.NodeOutput:
        scores = [one for given in grown("scores", measured) for one in given if one is not None]
        listed = [name.strip() for name in only("names", names, NODE).split(",") if name.strip()]
        comparison = compare(scores, listed)
        folder, shown_as = report_folder(only("filename_prefix", filename_prefix, NODE))
        tell("writing the report")
        path: Path = write_comparison(comparison, folder, only("title", title, NODE).strip() or NODE)
        sheet, table = comparison_sheet(comparison), comparison.table()
        tell(f"saved {shown_as}/{path.name}")
        text = f"Saved in ComfyUI's output folder: {shown_as}/{path.name}\n\n{table}"
        shown = {**ui.PreviewImage(sheet, cls=cls).as_dict(), "text": (text,)}
        return io.NodeOutput(table, sheet, str(path), ui=shown)
