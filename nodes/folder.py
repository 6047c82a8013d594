"""Many photos at once."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..stableidentity_core.console.printable import printable_line
from ..stableidentity_core.console.streams import get_logger
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.face.folder import faces_of, name_below, pictures_in
from ..stableidentity_core.weights.face_nets import DETECTORS, PARSERS
from .host import paths
from .host.cancel import stoppable, unless_cancelled
from .host.face_nets import detector, nets_state, parser
from .host.progress import counting
from .types import CATEGORY, FaceType

log = get_logger(__name__)


class PrepareFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPrepareFolder",
            display_name="Prepare Faces of a Folder",
            category=CATEGORY,
            description="Prepares every photo of a folder below ComfyUI's input folder, each of another person, for "
            "Train Projector. A photo that cannot be used is left out and named in the report.",
            inputs=[
                io.String.Input(
                    "folder",
                    default="people",
                    tooltip="A folder in ComfyUI's input folder, or a link there; pictures in folders below it count "
                    "too.",
                ),
                io.Combo.Input(
                    "find_face",
                    options=["auto", *DETECTORS, "off"],
                    default="auto",
                    tooltip="auto: with the first detector that is in place; without any, the photos are taken as "
                    "aligned portraits. off: always that.",
                ),
                io.Combo.Input(
                    "parse_face",
                    options=["auto", *PARSERS, "off"],
                    default="auto",
                    tooltip="What marks face and hair. auto: the first parser that is in place; without any, an oval.",
                ),
                io.Int.Input(
                    "at_most",
                    default=500,
                    min=1,
                    max=100_000,
                    tooltip="Photos, the first by name; what is hidden does not count. Each takes 5 MB of memory until "
                    "it is encoded.",
                ),
            ],
            outputs=[
                FaceType.Output(display_name="face", is_output_list=True, tooltip="One face for each photo."),
                io.String.Output(display_name="name", is_output_list=True, tooltip="The photos' names without ending."),
                io.String.Output(display_name="report", tooltip="How many were taken, and what was left out and why."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder="", **_widgets) -> str | float:
        if not isinstance(folder, str):
            return float("nan")  # connected and not known yet: run
        return unless_cancelled(lambda: _state(folder), float("nan"))

    @classmethod
    def execute(cls, folder: str, find_face: str, parse_face: str, at_most: int) -> io.NodeOutput:
        place = paths.input_folder(folder)
        pictures = stoppable(lambda: pictures_in(place))
        chosen = pictures.found[:at_most]
        nets = {"detector": detector(find_face, False), "parser": parser(parse_face, False)}
        refusals: list[str] = []

        def refused(path: Path, error: StableIdentityError) -> None:
            refusals.append(f"{name_below(path, place)}: {error}")

        on_photo = counting(len(chosen))
        found: list[tuple[Path, Face]] = []
        for number, path in enumerate(chosen):
            on_photo(number)
            found += stoppable(lambda path=path: list(faces_of([path], refused, **nets)))
        head = [f"{len(found)} of {len(chosen)} photos taken."]
        if nets["detector"] is None:
            head.insert(0, "No detector looked for a face: the pictures were taken as aligned portraits.")
        if len(pictures.found) > len(chosen):
            head.append(f"{len(pictures.found) - len(chosen)} more were not looked at: at_most is {at_most}.")
        report = "\n".join([*head, *refusals, *pictures.remarks()])
        if not found:
            raise StableIdentityError(f"None of the photos in {str(place)!r} can be used.\n{report}")
        log.info("StableIdentity: %s", report)
        faces, names = [(face,) for _path, face in found], [printable_line(path.stem) for path, _face in found]
        return io.NodeOutput(faces, names, report, ui={"text": (report,)})


def _state(folder: str) -> str:
    """Changes when a photo of the folder does, or a network that looks at it."""
    try:
        pictures = pictures_in(paths.input_folder(folder)).found
    except StableIdentityError as error:
        return str(error)  # raised again when the node runs
    return " ".join([*map(paths.file_state, pictures), nets_state()])
