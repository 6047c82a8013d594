"""Splats as files: `.ply` in the layout of 3D Gaussian splatting, and the smaller `.splat`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DamagedFileError, StableIdentityError
from ..files.atomic import write_atomically
from ..files.readable import file_size
from .splat import LEAST_SCALE, LEAST_SHARE, Splat

FLAT = 0.28209479177387814  # the constant spherical harmonic: a colour is 0.5 + FLAT f_dc
MOST_HEADER = 1 << 16
MOST_GAUSSIANS = 50_000_000
COLUMNS = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2", "ushort": "<u2"},
    **{"uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4", "float": "<f4", "float32": "<f4"},
    **{"double": "<f8", "float64": "<f8"},
}
RECORD = np.dtype([("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def save_splat(splat: Splat, path: Path, *, replace: bool = False) -> None:
    """Write `.ply` or `.splat`, by the name's ending; equal splats give equal bytes.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: another ending, or the file cannot be written.
    """
    write_atomically(path, _format(path)[0](splat), replace=replace)


def load_splat(path: Path) -> Splat:
    """Read `.ply` or `.splat`; of colours that depend on the view, the part that does not.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: incomplete, or of another kind.
        StableIdentityError: another ending.
    """
    read = _format(path)[1]
    size = file_size(path)
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise DamagedFileError(f"{path} ({size:,} bytes) cannot be read: {error}. Choose another file.") from error
    except StableIdentityError as error:
        raise DamagedFileError(f"{path} ({size:,} bytes) is not a whole splat: {error}") from error


def check_splat_name(path: Path) -> None:
    """Raise StableIdentityError unless the name ends in a known format."""
    _format(path)


def to_ply(splat: Splat) -> bytes:
    """Binary little-endian, with logarithms of scales and logits of opacities."""
    opacities = splat.opacities.clamp(LEAST_SHARE**2, 1 - LEAST_SHARE**2).double().logit().float()
    columns = [
        *(splat.positions, torch.zeros_like(splat.positions), (splat.colours - 0.5) / FLAT, opacities[:, None]),
        *(splat.scales.clamp_min(LEAST_SCALE).log(), splat.rotations),
    ]
    rows = torch.cat([column.float().cpu() for column in columns], dim=1).numpy().astype("<f4")
    properties = "".join(f"property float {name}\n" for name in COLUMNS)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(splat)}\n{properties}end_header\n"
    return header.encode("ascii") + rows.tobytes()


def from_ply(content: bytes) -> Splat:
    """The Gaussians of a `.ply`; further properties are ignored."""
    found = re.match(rb"ply\r?\n.*?end_header\r?\n", content[:MOST_HEADER], re.DOTALL)
    if not found:
        raise DamagedFileError("it does not begin like a .ply file. Choose another file.")
    count, layout = _layout(found[0].decode("ascii", "replace"))
    if len(content) - found.end() < count * layout.itemsize:
        raise DamagedFileError(f"it is cut off: {count:,} Gaussians need {count * layout.itemsize:,} bytes.")
    rows = np.frombuffer(content, layout, count=count, offset=found.end())

    def columns(*names: str) -> Tensor:
        if missing := [name for name in names if name not in (layout.names or ())]:
            raise DamagedFileError(f"it lacks the property {missing[0]}, so it is no Gaussian splat.")
        return torch.from_numpy(np.stack([rows[name].astype(np.float32) for name in names], axis=-1))

    return Splat(
        positions=columns("x", "y", "z"),
        scales=columns("scale_0", "scale_1", "scale_2").exp(),
        rotations=F.normalize(columns("rot_0", "rot_1", "rot_2", "rot_3"), dim=-1),
        opacities=columns("opacity")[:, 0].sigmoid(),
        colours=(columns("f_dc_0", "f_dc_1", "f_dc_2") * FLAT + 0.5).clamp(0, 1),
    )


def _layout(header: str) -> tuple[int, np.dtype]:
    """Number and layout of the vertices, which have to come first."""
    lines = [line.split() for line in header.splitlines()]
    form = next((line[1] for line in lines if line[:1] == ["format"] and len(line) > 1), "none")
    elements = [line for line in lines if line[:1] == ["element"]]
    if form != "binary_little_endian":
        raise DamagedFileError(f"its format is {form[:40]}, needed binary_little_endian. Save it as a binary .ply.")
    if not elements or elements[0][1:2] != ["vertex"] or not elements[0][-1].isdecimal():
        raise DamagedFileError("its first element is no list of vertices. Choose another file.")
    count = int(elements[0][-1][:12])
    after = lines[lines.index(elements[0]) + 1 :]
    own = after[: next((n for n, line in enumerate(after) if line[:1] == ["element"]), len(after))]
    properties = [line for line in own if line[:1] == ["property"]]
    if count > MOST_GAUSSIANS or any(len(line) != 3 or line[1] not in TYPES for line in properties):
        raise DamagedFileError("it has too many vertices, or some with lists. Choose another file.")
    names = [line[2] for line in properties]
    if len(set(names)) < len(names):
        raise DamagedFileError("a property comes twice. Choose another file.")
    return count, np.dtype([(line[2], TYPES[line[1]]) for line in properties])


def to_splat(splat: Splat) -> bytes:
    """32 bytes for each Gaussian, with colours and rotations in 8 bits; the most visible first."""
    visible = splat.opacities * splat.scales.prod(-1)
    order = visible.argsort(descending=True, stable=True)
    rows = np.zeros(len(splat), RECORD)
    rows["xyz"], rows["scale"] = (part[order].cpu().numpy() for part in (splat.positions, splat.scales))
    rgba = torch.cat([splat.colours, splat.opacities[:, None]], dim=1)[order]
    rows["rgba"] = (rgba * 255).round().clamp(0, 255).byte().cpu().numpy()
    rows["quat"] = (splat.rotations[order] * 128 + 128).round().clamp(0, 255).byte().cpu().numpy()
    return rows.tobytes()


def from_splat(content: bytes) -> Splat:
    """The Gaussians of a `.splat`."""
    if not content or len(content) % RECORD.itemsize or len(content) > MOST_GAUSSIANS * RECORD.itemsize:
        raise DamagedFileError(f"its size is no multiple of {RECORD.itemsize} bytes. Choose another file.")
    rows = np.frombuffer(content, RECORD)
    rgba = torch.from_numpy(rows["rgba"].astype(np.float32)) / 255
    return Splat(
        positions=torch.from_numpy(rows["xyz"].astype(np.float32)),
        scales=torch.from_numpy(rows["scale"].astype(np.float32)),
        rotations=F.normalize((torch.from_numpy(rows["quat"].astype(np.float32)) - 128) / 128, dim=-1),
        opacities=rgba[:, 3].contiguous(),
        colours=rgba[:, :3].contiguous(),
    )


FORMATS: Mapping[str, tuple[Callable[[Splat], bytes], Callable[[bytes], Splat]]] = {
    ".ply": (to_ply, from_ply),
    ".splat": (to_splat, from_splat),
}


def _format(path: Path) -> tuple[Callable[[Splat], bytes], Callable[[bytes], Splat]]:
    if path.suffix.lower() not in FORMATS:
        raise StableIdentityError(f"{path} ends in {path.suffix!r}, needed one of {', '.join(FORMATS)}.")
    return FORMATS[path.suffix.lower()]
