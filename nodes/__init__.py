"""ComfyUI nodes of the pack."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .blend import InterpolateIdentities, MixIdentities, SampleIdentity
from .errors import make_errors_printable
from .face import ClipVisionFaceEncoder, EncodeFace, FaceSimilarity, LoadFaceEncoder
from .folder import PrepareFolder
from .head3d import Head3D, Head3DSettings
from .host.paths import register_folders, sweep_folders
from .host.people_routes import add_routes
from .identity import LoadIdentity, Project, SaveIdentity
from .input_checks import guarded
from .knows_names import KnowsNames
from .mini_world import DrawPerson, MiniWorld
from .name_map import MapIdentities
from .people import PickIdentity, SeveralPeople
from .prepare import PrepareFace
from .projector import LoadProjector, SaveProjector, TrainProjector
from .prompt import ApplyIdentity, EncodePrompt
from .prompt_list import PromptList
from .score import ScorePictures
from .score_report import EvaluationReport
from .search import searchable
from .splat import LoadSplat, SaveSplat, Turntable
from .temporal import TemporalScore
from .train import CelebrityNameSpace, Train
from .video import ChannelOrder, EmptyVideoLatent, LoadVideoModel, VideoContextWindows

NODES: list[type[io.ComfyNode]] = [
    LoadFaceEncoder,
    PrepareFace,
    EncodeFace,
    CelebrityNameSpace,
    Train,
    Project,
    ApplyIdentity,
    EncodePrompt,
    SaveIdentity,
    LoadIdentity,
    MiniWorld,
    DrawPerson,
    ClipVisionFaceEncoder,
    FaceSimilarity,
    MixIdentities,
    InterpolateIdentities,
    SampleIdentity,
    MapIdentities,
    LoadVideoModel,
    EmptyVideoLatent,
    VideoContextWindows,
    ChannelOrder,
    TrainProjector,
    SaveProjector,
    LoadProjector,
    PrepareFolder,
    TemporalScore,
    SeveralPeople,
    PickIdentity,
    PromptList,
    ScorePictures,
    EvaluationReport,
    Head3D,
    Head3DSettings,
    Turntable,
    SaveSplat,
    LoadSplat,
    KnowsNames,
]

for node in NODES:
    make_errors_printable(guarded(searchable(node)))
register_folders()
sweep_folders()


class StableIdentityExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


def comfy_entrypoint() -> StableIdentityExtension:
    add_routes()
    return StableIdentityExtension()
