"""Parsing networks of the real architectures, from files of the real formats."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from helpers.make import disc, rand, rng
from stableidentity_core.errors import DamagedFileError, MissingFileError, StableIdentityError, WrongModelError
from stableidentity_core.face.parsers import BISENET_PARTS, PARSENET_PARTS, load_parser
from stableidentity_core.face.parsing import FacePart, check_parts, masks_of_parts

bisenet = pytest.importorskip("facexlib.parsing.bisenet", reason="facexlib is not installed: no parser is tested")
parsenet = pytest.importorskip("facexlib.parsing.parsenet", reason="facexlib is not installed: no parser is tested")

# Names as the two data preparations write them; left and right are the person's own.
BISENET_NAMES = """
    background skin l_brow r_brow l_eye r_eye eye_g l_ear r_ear ear_r nose mouth u_lip l_lip neck neck_l cloth hair hat
"""
PARSENET_NAMES = """
    background skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth
"""
MEANING = {
    "background": FacePart.BACKGROUND,
    "skin": FacePart.SKIN,
    "nose": FacePart.NOSE,
    "eye_g": FacePart.GLASSES,
    "l_eye": FacePart.RIGHT_EYE,
    "r_eye": FacePart.LEFT_EYE,
    "l_brow": FacePart.RIGHT_BROW,
    "r_brow": FacePart.LEFT_BROW,
    "l_ear": FacePart.RIGHT_EAR,
    "r_ear": FacePart.LEFT_EAR,
    "mouth": FacePart.MOUTH,
    "u_lip": FacePart.UPPER_LIP,
    "l_lip": FacePart.LOWER_LIP,
    "hair": FacePart.HAIR,
    "hat": FacePart.HAT,
    "ear_r": FacePart.EARRING,
    "neck_l": FacePart.NECKLACE,
    "neck": FacePart.NECK,
    "cloth": FacePart.CLOTH,
}


def randomised(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Weights and biases at random, so that no two layers or channels are alike."""
    generator = rng(seed)
    for name, value in network.named_parameters():
        spread = value[0].numel() ** -0.5 if value.ndim > 1 else 0.3
        middle = 1.0 if value.ndim == 1 and name.endswith("weight") else 0.0
        value.data = middle + spread * torch.randn(value.shape, generator=generator)
    return network.eval()


def settled(network: torch.nn.Module) -> torch.nn.Module:
    """Running statistics as of a training: without, this network says the same of all pixels."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 256, 256, generator=rng(1)))
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> dict[str, torch.nn.Module]:
    with torch.random.fork_rng():
        made = bisenet.BiSeNet(num_class=19), parsenet.ParseNet(in_size=512, out_size=512, parsing_ch=19)
    return {"bisenet": settled(randomised(made[0])), "parsenet": randomised(made[1])}


@pytest.fixture(scope="module")
def files(networks, tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("parsers")
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / f"parsing_{name}.pth")
    return {name: folder / f"parsing_{name}.pth" for name in networks}


@pytest.mark.parametrize(
    "table,names", [(BISENET_PARTS, BISENET_NAMES), (PARSENET_PARTS, PARSENET_NAMES)], ids=["bisenet", "parsenet"]
)
def test_every_class_of_a_network_is_a_part_of_its_own(table, names):
    assert len(table) == 19 and set(table) == set(FacePart)
    assert list(table) == [MEANING[name] for name in names.split()]


def test_the_order_of_parsenet_agrees_with_the_face_that_facexlib_pastes_back():
    # facexlib's FaceRestoreHelper keeps these classes of ParseNet of a restored face.
    kept = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0]
    dropped = {part for part, keep in zip(PARSENET_PARTS, kept, strict=True) if not keep}
    assert dropped == {FacePart.BACKGROUND, FacePart.HAT, FacePart.NECKLACE, FacePart.NECK, FacePart.CLOTH}


@pytest.mark.parametrize("side", [512, 96])
def test_bisenet_gives_what_the_bare_network_gives(networks, files, side):
    portrait = F.interpolate(rand(1, 3, 9, 9), size=(side, side), mode="bicubic").clamp(0, 1)[0]
    with torch.inference_mode():
        parser = load_parser(files["bisenet"])
        parts = parser(portrait)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    # Enlarging by a bilinear filter is the same with and without antialiasing.
    large = F.interpolate(portrait[None], size=(512, 512), mode="bilinear", align_corners=False)
    pixels = (large - mean[None, :, None, None]) / std[None, :, None, None]
    with torch.no_grad():
        classes = networks["bisenet"](pixels)[0][0].argmax(0)
    assert parser.name == "bisenet"
    assert parts.shape == (side, side) and parts.dtype == torch.int64
    centres = ((torch.arange(side) + 0.5) * 512 / side).long()
    expected = torch.tensor([MEANING[name] for name in BISENET_NAMES.split()])[classes][centres][:, centres]
    assert len(expected.unique()) > 3, "the random network says the same everywhere, so nothing was tested"
    # Rounding in the two ways of enlarging and normalising turns a near tie here and there.
    assert (parts == expected).float().mean() > 0.999


def test_parsenet_gives_what_the_bare_network_gives(networks, files):
    portrait = F.interpolate(rand(1, 3, 9, 9), size=(512, 512), mode="bicubic").clamp(0, 1)[0]
    parser = load_parser(files["parsenet"])
    seen = {}  # the network takes seconds, so its one call is written down rather than repeated
    parser.network.register_forward_hook(lambda _, inputs, outputs: seen.update(pixels=inputs[0], logits=outputs[0]))
    parts = parser(portrait)
    assert parser.name == "parsenet"
    assert torch.allclose(seen["pixels"], portrait[None] * 2 - 1, atol=1e-6)  # one rounding of float32
    expected = torch.tensor([MEANING[name] for name in PARSENET_NAMES.split()])[seen["logits"][0].argmax(0)]
    assert len(expected.unique()) > 3, "the random network says the same everywhere, so nothing was tested"
    assert torch.equal(parts, expected)
    own = networks["parsenet"].state_dict()
    assert all(torch.equal(value, own[key]) for key, value in parser.network.state_dict().items())


def test_safetensors_and_half_precision_load_as_well(networks, tmp_path):
    state = networks["bisenet"].state_dict()
    halved = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_file(halved, tmp_path / "any name.safetensors")
    loaded = load_parser(tmp_path / "any name.safetensors").network.state_dict()
    assert all(value.dtype != torch.float16 for value in loaded.values())
    assert all(torch.equal(value, halved[key].to(value.dtype)) for key, value in loaded.items())


def test_loading_leaves_the_random_numbers_of_others_alone(files):
    before = torch.random.get_rng_state()
    load_parser(files["bisenet"])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_loaded_network_is_frozen(files):
    network = load_parser(files["bisenet"]).network
    assert not network.training and not any(value.requires_grad for value in network.parameters())


@pytest.mark.parametrize("name", ["bisenet", "parsenet"])
def test_it_computes_where_its_network_is(files, name):
    """On `meta` there are no values, so that the way back from there ends in an error."""
    parser, seen = load_parser(files[name]), []
    parser.network.to("meta").register_forward_hook(lambda _net, given, _output: seen.append(given[0].device.type))
    with pytest.raises(NotImplementedError, match="meta tensor"):
        parser(torch.rand(3, 64, 64))
    assert seen == ["meta"]


def test_each_file_is_known_by_its_keys_whatever_its_name(files, tmp_path):
    swapped = tmp_path / "parsing_bisenet.pth"
    swapped.write_bytes(files["parsenet"].read_bytes())
    assert load_parser(swapped).name == "parsenet"


def saved(folder, content):
    torch.save(content, folder / "weights.pth")
    return folder / "weights.pth"


def test_a_missing_file_is_told_with_where_it_comes_from(tmp_path):
    with pytest.raises(MissingFileError, match=r"No face parser at .*nowhere\.pth.*facexlib/releases"):
        load_parser(tmp_path / "nowhere.pth")


def test_other_files_are_refused_with_what_they_hold(networks, tmp_path):
    state = dict(networks["bisenet"].state_dict())
    with pytest.raises(
        WrongModelError, match=r"1 weights, the first 'body.0.weight'\) is neither BiSeNet nor ParseNet"
    ):
        load_parser(saved(tmp_path, {"body.0.weight": torch.zeros(3)}))
    with pytest.raises(
        WrongModelError, match=r"contains a dict with 1 entries \(state_dict\), needed a dict of weights"
    ):
        load_parser(saved(tmp_path, {"state_dict": {}}))
    with pytest.raises(WrongModelError, match="contains a list, needed a dict of weights"):
        load_parser(saved(tmp_path, [torch.zeros(3)]))
    with pytest.raises(WrongModelError, match="BiSeNet with 11 classes, needed the 19"):
        load_parser(saved(tmp_path, state | {"conv_out.conv_out.weight": torch.zeros(11, 256, 1, 1)}))
    with pytest.raises(WrongModelError, match=r"of 191 weights, 1 are missing and 0 have .* 0 are unknown \(such as"):
        load_parser(saved(tmp_path, {key: value for key, value in state.items() if key != "cp.resnet.conv1.weight"}))
    with pytest.raises(WrongModelError, match=r"0 are missing and 1 have the wrong shape; 1 are unknown \(such as"):
        load_parser(saved(tmp_path, state | {"cp.resnet.conv1.weight": torch.zeros(2), "zz": torch.zeros(1)}))


def test_damaged_files_are_refused(files, tmp_path):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(files["bisenet"].read_bytes()[:10_000])
    with pytest.raises(DamagedFileError, match=r"cut\.pth"):
        load_parser(cut)
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(DamagedFileError, match="neither a safetensors nor a torch file"):
        load_parser(tmp_path / "text.safetensors")


def test_only_one_square_portrait_is_taken(files):
    parser = load_parser(files["bisenet"])
    for shape in ((1, 3, 64, 64), (3, 64, 32), (1, 64, 64)):
        with pytest.raises(StableIdentityError, match="The portrait has shape"):
            parser(torch.zeros(shape))


def test_a_map_without_a_face_is_refused_with_the_share_found():
    parts = torch.full((100, 100), int(FacePart.HAIR))
    parts[:4] = FacePart.SKIN
    parts[90:] = FacePart.NECK
    message = r"marks 4.0% of the portrait as face \(largest parts: hair 86%, neck 10%\), needed at least 5%"
    with pytest.raises(StableIdentityError, match=message):
        check_parts(parts)
    parts[:5] = FacePart.SKIN
    check_parts(parts)


def test_the_masks_are_the_classes_of_the_loss():
    parts = torch.arange(19).repeat(19, 1)
    face, hair = masks_of_parts(parts)
    marked = Counter(FacePart(column).name for column in range(19) if face[0, column])
    assert set(marked) == {part.name for part in FacePart} - {
        *("BACKGROUND", "EARRING", "NECK", "NECKLACE", "CLOTH", "HAIR", "HAT")
    }
    assert hair[0].nonzero().flatten().tolist() == [17]
    assert masks_of_parts((disc(64) * 17).long())[1].sum() == disc(64).sum()
