"""Many photos at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from comfy_api.latest import io

from ..stableidentity_core.console.printable import printable_line
from ..stableidentity_core.console.streams import get_logger
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.face.folder import faces_of, name_below, pictures_in
from ..stableidentity_core.weights.face_nets import DETECTORS, PARSERS
from . import categories
from .host import paths
from .host.cancel import stoppable, unless_cancelled
from .host.face_nets import detector, nets_state, parser
from .host.progress import counting
from .host.progress_text import tell, told_if_stopped
from .host.resident import loaded
from .types import FaceType

NAMED = 10  # photos that the report names
NOBODY_LOOKED = (
    "Nobody has looked for faces: no face detector was used, and the photos were taken as aligned portraits. Use a "
    "detector, or check that they are."
)
log = get_logger(__name__)


class PrepareFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPrepareFolder",
            display_name="Prepare Faces of a Folder",
            category=categories.PHOTO,
            description="Prepares all photos in a folder inside ComfyUI's input folder, one per person, for "
            "Train Projector. Unusable photos are skipped and listed in the report.",
            inputs=[
                io.String.Input(
                    "folder",
                    default="people",
                    tooltip="A folder in ComfyUI's input folder, or a link there; subfolders are included.",
                ),
                io.Combo.Input(
                    "find_face",
                    options=["auto", *DETECTORS, "off"],
                    default="auto",
                    tooltip="auto: the first installed detector; without one, the photos are used as aligned "
                    "portraits. off: photos are always used as aligned portraits.",
                ),
                io.Combo.Input(
                    "parse_face",
                    options=["auto", *PARSERS, "off"],
                    default="auto",
                    tooltip="Creates the face and hair masks. auto: the first installed parser; without one, an oval.",
                ),
                io.Int.Input(
                    "at_most",
                    default=500,
                    min=1,
                    max=100_000,
                    tooltip="Maximum number of photos, in order of name; hidden files do not count. Each takes 5 MB of "
                    "memory until it is encoded.",
                ),
            ],
            outputs=[
                FaceType.Output(display_name="face", is_output_list=True, tooltip="One face for each photo."),
                io.String.Output(display_name="name", is_output_list=True, tooltip="File names without extension."),
                io.String.Output(display_name="report", tooltip="How many were used, and what was skipped and why."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder="", **_widgets) -> str | float:
        if not isinstance(folder, str):
            return float("nan")  # connected, value not known yet: run
        return unless_cancelled(lambda: _state(folder), float("nan"))

    @classmethod
    def execute(cls, folder: str, find_face: str, parse_face: str, at_most: int) -> io.NodeOutput:
        place = paths.input_folder(folder)
        pictures = stoppable(lambda: pictures_in(place))
        chosen = pictures.found[:at_most]
        find, parse = detector(find_face, False), parser(parse_face, False)
        refusals: list[str] = []

        def refused(path: Path, error: StableIdentityError) -> None:
            refusals.append(f"{name_below(path, place)}: {error}")

        on_photo = counting(len(chosen), "photo")
        found: list[tuple[Path, Face]] = []
        with told_if_stopped():
            for number, path in enumerate(chosen):
                on_photo(number)
                detect, mark = loaded(find, parse)
                prepare = partial(faces_of, [path], refused, detector=detect, parser=mark)
                found += stoppable(lambda prepare=prepare: list(prepare()))
        head = _summary(found, len(chosen), detected=find is not None, parsed=parse is not None)
        if len(pictures.found) > len(chosen):
            head.append(f"{len(pictures.found) - len(chosen)} more were not processed: at_most is {at_most}.")
        tell("\n".join(head))
        report = "\n".join([*head, *refusals, *pictures.remarks()])
        if not found:
            raise StableIdentityError(f"None of the photos in {str(place)!r} can be used.\n{report}")
        log.info("StableIdentity: %s", report)
        faces, names = [(face,) for _path, face in found], [printable_line(path.stem) for path, _face in found]
        return io.NodeOutput(faces, names, report, ui={"text": (report,)})


def _summary(found: list[tuple[Path, Face]], photos: int, detected: bool, parsed: bool) -> list[str]:
    """The first lines of the report: warnings before the rest."""
    lines = []
    if not detected:
        lines.append("No face detector was used: the parser found the faces." if parsed else f"[!] {NOBODY_LOOKED}")
    lines.append(f"{'[!] ' * (len(found) < photos)}{len(found)} of {photos} photos used.")
    bad = {path: _bad_measures(face) for path, face in found}
    named = [f"{printable_line(path.name)} ({', '.join(measures)})" for path, measures in bad.items() if measures]
    if named:
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        lines.append(f"[!] {len(named)} of the photos used could be better: {', '.join(named[:NAMED])}{more}.")
    return sorted(lines, key=lambda line: not line.startswith("[!]"))


def _bad_measures(face: Face) -> list[str]:
    return [one["measure"] for one in (face.quality or {}).get("findings", ()) if not one["good"]]


def _state(folder: str) -> str:
    """Changes when a photo in the folder or one of the networks changes."""
    try:
        pictures = pictures_in(paths.input_folder(folder)).found
    except StableIdentityError as error:
        return str(error)  # raised again when the node runs
    return " ".join([*map(paths.file_state, pictures), nets_state()])
