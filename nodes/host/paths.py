"""Locations of the pack's files in a ComfyUI installation."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import folder_paths

from ...stableidentity_core.encode.vit import missing_encoder_message
from ...stableidentity_core.encode.weight_file import REPOSITORY, SUFFIXES, WEIGHT_FILES
from ...stableidentity_core.errors import MissingFileError, StableIdentityError
from ...stableidentity_core.files.atomic import remove_abandoned
from ...stableidentity_core.files.readable import path_kind
from ...stableidentity_core.methods.projector_file import SUFFIX
from ...stableidentity_core.store.folder import sweep

FOLDER = "stableidentity"
ENCODERS = "face_encoders"
PROJECTORS = "projectors"
SHARED = ("facexlib", "facedetection")  # with other packs; the frontend offers downloads only into known folders
VIDEO_FOLDERS = ("diffusion_models", "text2video")  # in the order they are searched
VIDEO_SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".bin", ".ckpt")
MINI_WORLD = "mini_world"  # the folder below embeddings for people of the mini world
PAPER_ENCODER = REPOSITORY.rsplit("/", maxsplit=1)[-1]


def register_folders() -> None:
    """Register the pack's folders in `models`; folders of extra_model_paths.yaml take precedence."""
    for name in (FOLDER, VIDEO_FOLDERS[-1], *SHARED):
        folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir) / name))


def sweep_folders() -> None:
    """Remove partial files of killed processes from the pack's folders; files that cannot be removed stay."""
    embeddings = [Path(folder) for folder in folder_paths.get_folder_paths("embeddings")[:1]]
    for root in [*embeddings, *(folder / MINI_WORLD for folder in embeddings), *_roots(PROJECTORS)[:1]]:
        remove_abandoned(root)
    sweep(results_folder())


def video_models() -> list[str]:
    """Files that may be text-to-video models; whether one is turns out only when it is loaded."""
    names = [Path(name) for folder in VIDEO_FOLDERS for name in folder_paths.get_filename_list(folder)]
    # Forward slashes on every system, so that workflows are portable.
    return list(dict.fromkeys(name.as_posix() for name in names if name.suffix.lower() in VIDEO_SUFFIXES))


def video_model_path(name: str) -> Path:
    """Path of the first match in the model folders.

    Raises:
        MissingFileError: not found; names the folders that were searched.
    """
    for folder in VIDEO_FOLDERS:
        path = folder_paths.get_full_path(folder, name)
        if path is not None:
            return Path(path)
    searched = [path for folder in VIDEO_FOLDERS for path in folder_paths.get_folder_paths(folder)]
    raise MissingFileError(
        f"No file {name!r} in {', '.join(searched)}. Put a text-to-video model there (MODELS.md of the pack names "
        "sources) and press R to refresh the list."
    )


def face_encoders() -> list[str]:
    """Names of the available encoders; the paper's comes first even if it is not installed."""
    found = {PAPER_ENCODER: None}
    for root in _roots(ENCODERS):
        for path in sorted(root.iterdir()) if root.is_dir() else []:
            if _has_weights(path):
                found[path.name] = None
    return list(found)


def face_encoder_path(name: str) -> Path:
    """Path of the first match in the encoder folders.

    Raises:
        MissingFileError: not found; says where to put it, its source and size.
    """
    roots = _roots(ENCODERS)
    if Path(name).name != name:
        raise StableIdentityError(f"{name!r} is not the name of a face encoder; choose one from the list.")
    for root in roots:
        if path_kind(root / name) != "nothing":
            return root / name
    raise MissingFileError(missing_encoder_message(roots[-1] / name))


def is_installed(encoder: str) -> bool:
    """Whether a folder or file of this name has weights."""
    return any(_has_weights(root / encoder) for root in _roots(ENCODERS))


def _has_weights(path: Path) -> bool:
    return path.suffix in SUFFIXES or (path.is_dir() and any((path / name).is_file() for name in WEIGHT_FILES))


def projectors() -> list[str]:
    """Names of the available projectors."""
    found = [path.name for root in _roots(PROJECTORS) for path in sorted(root.glob(f"*{SUFFIX}"))]
    return list(dict.fromkeys(found))


def projectors_folder() -> Path:
    """The folder in which projectors are saved."""
    return _roots(PROJECTORS)[0]


def projector_path(name: str) -> Path:
    """Path of the first match in the projector folders.

    Raises:
        MissingFileError: not found; names the folders that were searched.
    """
    roots = _roots(PROJECTORS)
    for root in roots:
        if Path(name).name == name and path_kind(root / name) == "file":
            return root / name
    raise MissingFileError(
        f"No projector {name!r} in {', '.join(map(str, roots))}. Save one with Save Projector, or press R to refresh "
        "the list."
    )


def embedding_path(name: str) -> Path:
    """Path of an embedding file, by its name in the host's list."""
    path = folder_paths.get_full_path("embeddings", name)
    if path is None:
        raise MissingFileError(
            f"No file {name!r} in {', '.join(folder_paths.get_folder_paths('embeddings'))}. "
            "Press R to refresh the list."
        )
    return Path(path)


def embeddings() -> list[str]:
    return folder_paths.get_filename_list("embeddings")


def embeddings_folders() -> list[Path]:
    """The host's embeddings folders; identities are saved in the first."""
    folders = folder_paths.get_folder_paths("embeddings")
    if not folders:
        raise StableIdentityError("ComfyUI has no 'embeddings' folder; check extra_model_paths.yaml.")
    return [Path(folder) for folder in folders]


def is_among_mini_world(file: Path) -> bool:
    """Whether a file is in a folder for people of the mini world."""
    return any(file.is_relative_to(folder / MINI_WORLD) for folder in embeddings_folders())


def results_folder() -> Path:
    """The store of finished trainings, so that queueing the same training again does not repeat it."""
    return Path(folder_paths.get_user_directory()) / FOLDER / "trained"


def heads_folder() -> Path:
    """Checkpoints of heads in 3D that were stopped, so that queueing the same again goes on with them."""
    return Path(folder_paths.get_user_directory()) / FOLDER / "heads"


def input_folder(name: str) -> Path:
    """A folder inside the host's input folder, by name; links in it are followed, as by the host.

    Raises:
        StableIdentityError: the name points outside the input folder, by `..` or as a full path.
    """
    root = Path(os.path.abspath(folder_paths.get_input_directory()))
    folder = Path(os.path.normpath(root / name.strip().replace("\\", "/")))
    if not folder.is_relative_to(root):
        raise StableIdentityError(
            f"The folder {name!r} is not below {str(root)!r}. Type the name of a folder in there, such as people. To "
            "use photos from elsewhere, copy them there or put a link to their folder there."
        )
    path_kind(folder)  # raises for invalid folder names
    return folder


def report_folder(prefix: str) -> tuple[Path, str]:
    """A new numbered folder in the host's output folder, and its path in there.

    Raises:
        StableIdentityError: the prefix points outside the output folder, or names nothing.
    """
    output = Path(os.path.abspath(folder_paths.get_output_directory()))
    wanted = Path(os.path.normpath(output / prefix.strip().replace("\\", "/")))
    if wanted == output or not wanted.is_relative_to(output):
        raise StableIdentityError(
            f"The prefix {prefix!r} is no place below ComfyUI's output folder. Type one such as StableIdentity/report."
        )
    path_kind(wanted)  # raises for invalid names
    parent, name, number, _subfolder, _prefix = folder_paths.get_save_image_path(
        str(wanted.relative_to(output)), str(output)
    )
    folder = Path(parent) / f"{name}_{number:05d}"
    return folder, folder.relative_to(output).as_posix()


def session_folder() -> Path:
    """Folder in which Apply Identity puts embeddings for stock nodes; emptied when ComfyUI starts."""
    return Path(folder_paths.get_temp_directory()) / FOLDER


def file_state(path: Path) -> str:
    """Changes when a file is written, removed or replaced."""
    parts = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(part.name, part.stat().st_mtime_ns, part.stat().st_size) for part in parts if part.is_file()]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def _roots(below: str) -> list[Path]:
    return [Path(root) / below for root in folder_paths.get_folder_paths(FOLDER)]
