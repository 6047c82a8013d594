"""A map of the name space."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.evaluate.name_map import METHODS, map_people
from . import categories
from .growing import growing, grown
from .host.cancel import stoppable
from .host.plots import configure_matplotlib
from .host.progress_text import tell, told_if_stopped
from .types import IdentityType, NameSpaceType


class MapIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityMap",
            display_name="Map of Identities",
            category=categories.PEOPLE,
            description="Plots people among the celebrity names, with the smallest and largest values of their words.",
            inputs=[
                NameSpaceType.Input("name_space", tooltip="Must come from the CLIP the people were learned on."),
                *growing(
                    "identities", IdentityType.Input("identity", tooltip="A person, or a list of people."), needed=0
                ),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default=METHODS[0],
                    tooltip="PCA: fast; true distances, along two of many directions. t-SNE: as in the "
                    "paper; shows neighbourhoods, takes some seconds, needs scikit-learn.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="map", tooltip="Names and people, with the table below."),
                io.String.Output(display_name="table", tooltip="The table in Markdown."),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, name_space, method, **people) -> io.NodeOutput:
        shown = [one for given in grown("identities", people) for one in given if one is not None]
        configure_matplotlib()
        tell(f"placing the names by {method[0]}")
        with told_if_stopped():
            placed = stoppable(lambda: map_people(name_space[0], shown, method[0]))
        tell(f"{len(shown)} {'person' if len(shown) == 1 else 'people'} among the names, by {method[0]}")
        return io.NodeOutput(*placed)
