"""RetinaFace with random weights in the real file formats: loading, and decoding against a twin in plain loops."""

from __future__ import annotations

import math
import sys
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from facexlib.detection.retinaface import RetinaFace
from facexlib.detection.retinaface_utils import PriorBox
from safetensors.torch import save_file

from helpers.make import rand, rng
from stableidentity_core.errors import DamagedFileError, MissingFileError, MissingPackageError, StableIdentityError
from stableidentity_core.face import detect_faces, load_retinaface
from stableidentity_core.face.retinaface import MAX_BOXES, MIN_SCORE, make_anchors

KINDS = ["resnet50", "mobile0.25"]
MIN_SIZES, STEPS, VARIANCES = [[16, 32], [64, 128], [256, 512]], [8, 16, 32], [0.1, 0.2]


def random_net(kind: str) -> RetinaFace:
    """Random, but with the statistics of its own activations, so that nothing explodes on its way."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        net = RetinaFace(network_name=kind, device="cpu")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    picture = (torch.rand(2, 3, 96, 96, generator=rng(2)) - 0.5) * 255
    with torch.no_grad():
        net.train()(picture)
        net.eval().phase = "train"  # gives logits; their spread is set so that no two scores round to 1
        _, logits, _ = net(picture)
        for head in net.ClassHead:
            for weights in head.conv1x1.parameters():
                weights.mul_(1.5 / logits.diff(dim=2).std())
        net.phase = "test"
    return net


@pytest.fixture(scope="module")
def nets() -> dict[str, RetinaFace]:
    return {kind: random_net(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def files(nets, tmp_path_factory) -> dict[str, Path]:
    """As published: a pickle whose keys carry the `module.` of parallel training."""
    folder = tmp_path_factory.mktemp("retinaface")
    for kind, net in nets.items():
        torch.save(OrderedDict((f"module.{key}", value) for key, value in net.state_dict().items()), folder / kind)
    return {kind: (folder / kind).rename(folder / f"{kind}.pth") for kind in nets}


def twin(net: RetinaFace, picture: torch.Tensor) -> list[tuple[float, list[float], list[float]]]:
    """Score, box and landmarks of every face, from the network's raw outputs and in plain loops."""
    height, width = picture.shape[1:]
    pixels = picture.numpy().transpose(1, 2, 0)[:, :, ::-1] * 255 - np.array([104, 117, 123])  # as OpenCV reads
    batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32))
    with torch.no_grad():
        offsets, classes, points = (part[0].double().tolist() for part in net(batch))
    faces, index = [], 0
    for step, sizes in zip(STEPS, MIN_SIZES, strict=True):
        for row in range(math.ceil(height / step)):
            for column in range(math.ceil(width / step)):
                for size in sizes:
                    x, y = (column + 0.5) * step, (row + 0.5) * step
                    dx, dy, dw, dh = offsets[index]
                    middle_x, middle_y = x + dx * VARIANCES[0] * size, y + dy * VARIANCES[0] * size
                    w, h = size * math.exp(dw * VARIANCES[1]), size * math.exp(dh * VARIANCES[1])
                    box = [middle_x - w / 2, middle_y - h / 2, middle_x + w / 2, middle_y + h / 2]
                    marks = [(x, y)[i % 2] + offset * VARIANCES[0] * size for i, offset in enumerate(points[index])]
                    if classes[index][1] >= MIN_SCORE:
                        faces.append((classes[index][1], box, marks))
                    index += 1
    assert index == len(offsets)
    kept: list = []
    for face in sorted(faces, reverse=True):
        if all(overlap(face[1], other[1]) <= 0.4 for other in kept):
            kept.append(face)
    return kept


def overlap(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("size", [(96, 128), (101, 67)])
@pytest.mark.parametrize("kind", KINDS)
def test_faces_are_decoded_as_the_paper_says(files, nets, kind, size):
    picture = rand(3, *size, seed=3)
    found = load_retinaface(files[kind])(picture)
    expected = twin(nets[kind], picture)
    assert 10 < len(expected) < MAX_BOXES and found.scores.std() > 0.05  # something to tell apart
    assert len(found.scores) == len(expected)
    # float32 against float64 over coordinates up to a few hundred pixels.
    assert torch.allclose(found.scores, torch.tensor([face[0] for face in expected]), atol=1e-5)
    assert torch.allclose(found.boxes, torch.tensor([face[1] for face in expected]), atol=2e-3)
    assert torch.allclose(found.landmarks.flatten(1), torch.tensor([face[2] for face in expected]), atol=2e-3)


def test_it_finds_what_the_published_detector_finds_in_a_picture_of_opencv(files, nets):
    pixels = np.random.default_rng(4).integers(0, 256, (96, 80, 3)).astype(np.uint8)  # RGB
    with torch.no_grad():
        published = nets["mobile0.25"].detect_faces(pixels[:, :, ::-1].copy(), conf_threshold=0.5)
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    found = load_retinaface(files["mobile0.25"])(picture)
    good = found.scores > 0.5
    assert good.sum() == len(published) > 3
    assert np.abs(found.boxes[good].numpy() - published[:, :4]).max() < 2e-3
    assert np.abs(found.landmarks[good].flatten(1).numpy() - published[:, 5:]).max() < 2e-3


@pytest.mark.parametrize("size", [(640, 480), (33, 650), (1, 9)])
def test_anchors_are_those_of_facexlib(size):
    expected = PriorBox({"min_sizes": MIN_SIZES, "steps": STEPS, "clip": False}, image_size=size).forward()
    assert torch.allclose(make_anchors(*size, MIN_SIZES, STEPS), expected, rtol=1e-6)


def test_a_photo_of_another_size_gets_the_faces_in_its_own_pixels(files):
    detector = load_retinaface(files["mobile0.25"])
    photo = rand(3, 40, 60, seed=5)
    large = torch.nn.functional.interpolate(photo[None], (427, 640), mode="bilinear", align_corners=False)[0]
    seen = detector(large)
    faces = detect_faces(photo, detector, threshold=0.6)
    boxes = seen.boxes[seen.scores >= 0.6] * torch.tensor([60 / 640, 40 / 427] * 2)
    within = (boxes[:, 2:] > 0).all(1) & (boxes[:, 0] < 60) & (boxes[:, 1] < 40)
    found = torch.stack([face.box for face in faces])
    # Random networks give landmarks no face has; those are left out. All others are where the detector saw them.
    assert 3 < len(found) <= within.sum()
    assert (found[:, None] - boxes[within]).abs().amax(2).amin(1).max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors_and_bare_keys_load_as_well(files, nets, tmp_path, kind):
    state = {key: value.clone() for key, value in nets[kind].state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    torch.save({"state_dict": {k: v for k, v in state.items() if "num_batches" not in k}}, tmp_path / "old.pth")
    picture = rand(3, 64, 64)
    expected = load_retinaface(files[kind], kind)(picture)
    for name in ("net.safetensors", "old.pth"):
        detector = load_retinaface(tmp_path / name)
        assert detector.kind == kind and torch.equal(detector(picture).boxes, expected.boxes)


def test_loading_is_quiet_leaves_the_seed_and_makes_an_evaluation_network(files):
    before = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = load_retinaface(files["resnet50"])
    assert torch.equal(torch.get_rng_state(), before)
    assert not detector.net.training and not any(weight.requires_grad for weight in detector.net.parameters())
    assert not any(part.is_meta for part in (*detector.net.parameters(), *detector.net.buffers()))


def test_it_computes_where_its_network_is(files):
    """On `meta` there are no values, so that the way back from there ends in an error."""
    detector, seen = load_retinaface(files["mobile0.25"]), []
    detector.net.to("meta").register_forward_hook(lambda _net, given, _output: seen.append(given[0].device.type))
    with pytest.raises(NotImplementedError, match="meta tensor"):
        detector(rand(3, 64, 64))
    assert seen == ["meta"]


def test_it_works_within_comfyuis_inference_mode_and_after_it(files):
    picture = rand(3, 64, 64)
    expected = load_retinaface(files["mobile0.25"])(picture).boxes
    with torch.inference_mode():
        detector = load_retinaface(files["mobile0.25"])
        assert torch.equal(detector(picture).boxes, expected)
    assert torch.equal(detector(picture).boxes, expected)


def changed(path: Path, to: Path, change) -> Path:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, to)
    return to


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("module.fpn.merge1.0.weight"), r"1 missing, such as fpn.merge1.0.weight"),
        (lambda s: s.update({"module.fc.weight": torch.zeros(2)}), r"1 unknown, such as fc.weight"),
        (
            lambda s: s.update({"module.ClassHead.0.conv1x1.bias": torch.zeros(7)}),
            r"1 of the wrong shape, such as ClassHead.0.conv1x1.bias: \[7\], needed \[4\]",
        ),
        (
            lambda s: (s.clear(), s.update(fc=torch.zeros(2))),
            "contains 1 tensors, such as 'fc', and is not a RetinaFace network",
        ),
        (lambda s: s.update(epoch=3), "does not contain network weights"),
    ],
)
def test_weights_that_do_not_fit_are_a_sentence(files, tmp_path, change, said):
    path = changed(files["mobile0.25"], tmp_path / "odd.pth", change)
    with pytest.raises(DamagedFileError, match=f"odd.pth.*{said}"):
        load_retinaface(path)


def test_a_wrong_kind_a_missing_and_a_damaged_file_are_sentences(files, tmp_path):
    with pytest.raises(DamagedFileError, match=r"is a RetinaFace mobile0.25, needed resnet50 \(detection_Resnet50"):
        load_retinaface(files["mobile0.25"], "resnet50")
    said = r"Unknown RetinaFace network 'resnet18', needed one of resnet50, mobile0.25"
    with pytest.raises(StableIdentityError, match=said):
        load_retinaface(files["mobile0.25"], "resnet18")  # type: ignore[arg-type]
    with pytest.raises(MissingFileError, match=r"nowhere.pth, needed detection_Resnet50_Final.pth or .*download"):
        load_retinaface(tmp_path / "nowhere.pth")
    (tmp_path / "half.pth").write_bytes(files["mobile0.25"].read_bytes()[:9999])
    with pytest.raises(DamagedFileError, match=r"half.pth"):
        load_retinaface(tmp_path / "half.pth")


def test_weights_that_are_not_finite_are_not_called_a_photo_without_a_face(files, tmp_path):
    path = changed(
        files["mobile0.25"], tmp_path / "nan.pth", lambda s: s["module.fpn.merge1.0.weight"].fill_(float("nan"))
    )
    with pytest.raises(StableIdentityError, match=r"RetinaFace mobile0.25 outputs values that are not finite"):
        load_retinaface(path)(rand(3, 64, 64))


def test_without_facexlib_the_line_to_type_is_told(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "facexlib.detection.retinaface", None)
    with pytest.raises(MissingPackageError, match=r"Face detection needs the package facexlib.*pip install facexlib"):
        load_retinaface(files["mobile0.25"])
