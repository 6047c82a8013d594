"""Splats on disk, and turned."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stableidentity_core.errors import DamagedFileError, FileTakenError, MissingFileError, StableIdentityError
from stableidentity_core.head3d.figure import side_by_side, turntable_frames
from stableidentity_core.head3d.splat import Gaussians, Splat
from stableidentity_core.head3d.splat_files import COLUMNS, load_splat, save_splat
from stableidentity_core.head3d.turntable import Turntable, animation, to_pictures, turn


@pytest.fixture
def splat() -> Splat:
    g = torch.Generator().manual_seed(0)
    return Splat(
        positions=torch.randn(40, 3, generator=g),
        scales=torch.rand(40, 3, generator=g) * 0.1 + 0.01,
        rotations=torch.nn.functional.normalize(torch.randn(40, 4, generator=g), dim=-1),
        opacities=torch.rand(40, generator=g),
        colours=torch.rand(40, 3, generator=g),
    )


def difference(one: Splat, other: Splat) -> float:
    return max((value - getattr(other, name)).abs().max().item() for name, value in vars(one).items())


def test_a_ply_gives_the_same_values_back(splat, tmp_path):
    path = tmp_path / "head.ply"
    save_splat(splat, path)
    assert difference(load_splat(path), splat) < 2e-6
    with pytest.raises(FileTakenError):
        save_splat(splat, path)


def test_a_ply_has_the_usual_layout(splat, tmp_path):
    """Read by hand: 17 floats a row, logarithms, logits, and colours by the constant spherical harmonic."""
    path = tmp_path / "head.ply"
    save_splat(splat, path)
    header, body = path.read_bytes().split(b"end_header\n", 1)
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\nelement vertex 40\nproperty float x\n")
    rows = dict(zip(COLUMNS, torch.from_numpy(np.frombuffer(body, "<f4").reshape(40, 17).copy()).T, strict=True))
    assert (rows["x"] - splat.positions[:, 0]).abs().max() == 0
    assert (rows["scale_1"].exp() - splat.scales[:, 1]).abs().max() < 1e-6
    assert (1 / (1 + (-rows["opacity"]).exp()) - splat.opacities).abs().max() < 1e-6
    assert (rows["f_dc_2"] / (2 * torch.pi**0.5) + 0.5 - splat.colours[:, 2]).abs().max() < 1e-6
    assert not rows["nx"].any()


def test_the_small_format_gives_values_of_8_bits_back_and_the_most_visible_first(splat, tmp_path):
    path = tmp_path / "head.splat"
    save_splat(splat, path)
    assert path.stat().st_size == 40 * 32
    order = (splat.opacities * splat.scales.prod(-1)).argsort(descending=True)
    found, sorted_ = load_splat(path), Splat(**{name: value[order] for name, value in vars(splat).items()})
    assert torch.equal(found.positions, sorted_.positions) and torch.equal(found.scales, sorted_.scales)
    assert (found.colours - sorted_.colours).abs().max() <= 0.5 / 255 + 1e-6
    assert (found.opacities - sorted_.opacities).abs().max() <= 0.5 / 255 + 1e-6
    assert (found.rotations - sorted_.rotations).abs().max() < 0.01


def test_a_ply_of_another_program_is_read(tmp_path):
    """Other order and types, further colours, a comment, and another element behind."""
    path = tmp_path / "other.ply"
    layout = [("rot_0", "<f4"), ("rot_1", "<f4"), ("rot_2", "<f4"), ("rot_3", "<f4"), ("x", "<f8"), ("y", "<f4")]
    layout += [
        ("z", "<f4"),
        ("f_dc_0", "<f4"),
        ("f_dc_1", "<f4"),
        ("f_dc_2", "<f4"),
        ("f_rest_0", "<f4"),
        ("tag", "u1"),
    ]
    layout += [("opacity", "<f4"), ("scale_0", "<f4"), ("scale_1", "<f4"), ("scale_2", "<f4")]
    rows = np.zeros(2, np.dtype(layout))
    rows["rot_0"], rows["x"], rows["f_dc_0"], rows["opacity"] = 3.0, (1.5, -2.0), 10.0, 0.0
    kinds = {"<f4": "float", "<f8": "double", "u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0", "comment from elsewhere", "element vertex 2"]
    lines += [f"property {kinds[kind]} {name}" for name, kind in layout]
    lines += ["element face 0", "property list uchar int vertex_index", "end_header"]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode() + rows.tobytes())
    found = load_splat(path)
    assert found.positions[:, 0].tolist() == [1.5, -2.0] and found.rotations[0].tolist() == [1, 0, 0, 0]
    assert found.colours[0, 0] == 1.0 and found.opacities.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-5], "cut off"),
        (lambda content: content.replace(b"binary_little_endian", b"ascii"), "needed binary_little_endian"),
        (lambda content: content.replace(b"vertex 40", b"vertex 99999999999"), "too many"),
        (
            lambda content: content.replace(b"property float opacity", b"property float wrong"),
            "lacks the property opacity",
        ),
        (lambda content: content.replace(b"property float nx", b"property list uchar int nx"), "lists"),
        (lambda content: content.replace(b"property float nx", b"property float x"), "twice"),
        (lambda content: b"glTF" + content, "does not begin like"),
        (lambda content: content[:-4] + np.float32("nan").tobytes(), "not finite"),
        (lambda content: content.replace(b"vertex 40", b"vertex 0"), "no Gaussians"),
    ],
)
def test_damaged_plys_are_refused_in_a_sentence(splat, tmp_path, change, said):
    path = tmp_path / "head.ply"
    save_splat(splat, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=f"is not a whole splat: .*{said}"):
        load_splat(path)


def test_other_files_are_refused(tmp_path: Path, splat):
    with pytest.raises(MissingFileError):
        load_splat(tmp_path / "nothing.ply")
    with pytest.raises(StableIdentityError, match=r"needed one of \.ply, \.splat"):
        save_splat(splat, tmp_path / "head.obj")
    (tmp_path / "odd.splat").write_bytes(b"x" * 33)
    with pytest.raises(DamagedFileError, match="multiple of 32"):
        load_splat(tmp_path / "odd.splat")


def test_parameters_give_what_is_seen_back(splat):
    assert difference(Gaussians.of(splat).splat(), splat) < 1e-3  # opacities move in from 0 and 1


def test_a_turntable_shows_the_head_from_all_sides(splat):
    table = Turntable(frames=6, size=40, backdrop="black")
    looks = []
    parts = list(turn(splat, table, lambda: looks.append(None)))
    assert len(looks) >= len(parts), "a large splat takes seconds for a picture: a cancel is to be seen within"
    assert [len(pictures) for pictures, _coverage in parts] == [4, 2]
    pictures, coverage = (torch.cat(part) for part in zip(*parts, strict=True))
    assert pictures.shape == (6, 3, 40, 40) and coverage.shape == (6, 40, 40)
    assert not torch.equal(pictures[0], pictures[3])
    assert (pictures.amax(1) <= coverage + 1e-5).all(), "on black, nothing is brighter than what covers it"
    white = torch.cat([part for part, _coverage in turn(splat, Turntable(frames=6, size=40))])
    assert (white - pictures - (1 - coverage)[:, None]).abs().max() < 1e-5


@pytest.mark.parametrize("ending", [".webp", ".gif", ".png"])
def test_an_animation_has_all_frames_and_repeats(ending):
    frames = to_pictures(torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    with Image.open(io.BytesIO(animation(frames, ending, 12.5))) as found:
        assert (found.n_frames, found.size, found.info.get("loop", 0)) == (5, (16, 16), 0)
    with pytest.raises(StableIdentityError, match=r"ends in '\.mov', needed one of \.webp"):
        animation(frames, ".mov", 10)


def test_a_video_has_all_frames():
    av = pytest.importorskip("av", reason="PYAV IS NOT INSTALLED")
    frames = to_pictures(torch.rand(5, 3, 33, 33, generator=torch.Generator().manual_seed(0)))
    with av.open(io.BytesIO(animation(frames, ".mp4", 12.5))) as found:
        assert sum(1 for _frame in found.decode(video=0)) == 5
        assert (found.streams.video[0].width, float(found.streams.video[0].average_rate)) == (32, 12.5)


def test_heads_stand_side_by_side_under_their_names(splat):
    table = Turntable(frames=2, size=40)
    alone = turntable_frames(splat, table)
    rows = side_by_side({"name": splat, "ours": splat}, table)
    assert len(rows) == 2 and rows[0].size == (84, 64)
    for left in (0, 44):
        assert rows[1].crop((left, 24, left + 40, 64)).tobytes() == alone[1].tobytes()
    assert rows[0].crop((0, 0, 40, 24)).tobytes() != rows[0].crop((44, 0, 84, 24)).tobytes()
