"""Face parsing networks behind one protocol: a portrait becomes a map of face parts.

Both networks come from facexlib (MIT) and were trained on CelebAMask-HQ, which has 18 masks per photo.
They number the classes differently:

* BiSeNet (zllrunning/face-parsing.PyTorch, `prepropess_data.py`): skin, brows, eyes, glasses, ears,
  earring, nose, mouth, lips, neck, necklace, cloth, hair, hat.
* ParseNet (chaofengc/PSFRGAN, trained on the masks of switchablenorms/CelebAMask-HQ,
  `face_parsing/README.md` and `g_mask.py`): skin, nose, glasses, eyes, brows, ears, mouth, lips, hair,
  hat, earring, necklace, neck, cloth. The colours of PSFRGAN's published parse maps confirm this order.

In both, "l" and "r" are the person's own left and right: in the four label maps published with
CelebAMask-HQ, `l_eye` is at x = 317 to 321 of 512 and `r_eye` at 192 to 195, and the published
outputs of the networks agree. `FacePart` uses the viewer's left and right, so the tables swap them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF
from torch import Tensor, nn

from ..devices import device_of
from ..errors import MissingFileError, WrongModelError
from ..files.tensors import read_any_tensors
from ..optional import optional_import
from ..shapes import check_shape
from .parsing import FacePart

SIDE = 512  # both networks were trained at this size

BISENET_PARTS = (
    FacePart.BACKGROUND,
    FacePart.SKIN,
    FacePart.RIGHT_BROW,
    FacePart.LEFT_BROW,
    FacePart.RIGHT_EYE,
    FacePart.LEFT_EYE,
    FacePart.GLASSES,
    FacePart.RIGHT_EAR,
    FacePart.LEFT_EAR,
    FacePart.EARRING,
    FacePart.NOSE,
    FacePart.MOUTH,
    FacePart.UPPER_LIP,
    FacePart.LOWER_LIP,
    FacePart.NECK,
    FacePart.NECKLACE,
    FacePart.CLOTH,
    FacePart.HAIR,
    FacePart.HAT,
)
PARSENET_PARTS = (
    FacePart.BACKGROUND,
    FacePart.SKIN,
    FacePart.NOSE,
    FacePart.GLASSES,
    FacePart.RIGHT_EYE,
    FacePart.LEFT_EYE,
    FacePart.RIGHT_BROW,
    FacePart.LEFT_BROW,
    FacePart.RIGHT_EAR,
    FacePart.LEFT_EAR,
    FacePart.MOUTH,
    FacePart.UPPER_LIP,
    FacePart.LOWER_LIP,
    FacePart.HAIR,
    FacePart.HAT,
    FacePart.EARRING,
    FacePart.NECKLACE,
    FacePart.NECK,
    FacePart.CLOTH,
)


class FaceParser(Protocol):
    """A frozen network from an aligned portrait to its parts."""

    @property
    def name(self) -> str: ...

    def __call__(self, portrait: Tensor) -> Tensor:  # [S, S]
        """Aligned portrait [3, S, S] in 0..1 -> `FacePart` numbers [S, S] int64, on the portrait's device."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One of the two networks: how to recognise it and how it normalises its input."""

    name: str
    module: str
    network: str
    arguments: Mapping[str, int]
    classes: str  # name of the weight whose first axis is the number of classes
    parts: tuple[FacePart, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


KINDS = (
    _Kind(
        name="bisenet",
        module="facexlib.parsing.bisenet",
        network="BiSeNet",
        arguments={"num_class": len(FacePart)},
        classes="conv_out.conv_out.weight",
        parts=BISENET_PARTS,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    _Kind(
        name="parsenet",
        module="facexlib.parsing.parsenet",
        network="ParseNet",
        arguments={"in_size": SIDE, "out_size": SIDE, "parsing_ch": len(FacePart)},
        classes="out_mask_conv.conv2d.weight",
        parts=PARSENET_PARTS,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
)


class FacexlibParser:
    """BiSeNet or ParseNet as a `FaceParser`, which computes where its network is."""

    def __init__(self, network: nn.Module, kind: _Kind):
        self.network = network.eval().requires_grad_(False)
        self.name = kind.name
        self._mean, self._std = list(kind.mean), list(kind.std)
        self._parts = torch.tensor(kind.parts, dtype=torch.int64)

    def __call__(self, portrait: Tensor) -> Tensor:  # [S, S]
        side = check_shape(portrait, "3 s s", "The portrait")["s"]
        with torch.no_grad():
            pixels = TF.resize(portrait.float(), [SIDE, SIDE], antialias=True)
            pixels = TF.normalize(pixels, self._mean, self._std).to(device_of(self.network))
            logits = self.network(pixels[None])[0]  # [1, 19, 512, 512]
            parts = self._parts[logits.argmax(1).cpu()]
            parts = F.interpolate(parts[None].float(), size=(side, side), mode="nearest-exact")[0, 0]
        return parts.long().to(portrait.device)


def load_parser(path: str | Path, device: str | torch.device = "cpu") -> FacexlibParser:
    """Load facexlib's `parsing_bisenet.pth` or `parsing_parsenet.pth`, or either as safetensors.

    The network is recognised by its keys. Nothing is downloaded.

    Raises:
        MissingFileError: nothing at the path.
        DamagedFileError: truncated, or a pickle that contains more than tensors.
        WrongModelError: weights of another network, another number of classes, or missing weights.
        MissingPackageError: facexlib is not installed or broken.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(
            f"No face parser at {path}. Needed parsing_bisenet.pth or parsing_parsenet.pth of facexlib "
            "(https://github.com/xinntao/facexlib/releases); put one there."
        )
    content, _header = read_any_tensors(path)
    state = _state(content, path)
    kind = _recognise(state, path)
    return FacexlibParser(_build(kind, state, path).to(device), kind)


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WrongModelError(
            f"{path} contains {_describe(content)}, needed a dict of weights by name. "
            "Use facexlib's parsing_bisenet.pth or parsing_parsenet.pth."
        )
    return {key: value.float() if value.is_floating_point() else value for key, value in content.items()}


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dict with {len(content)} entries ({', '.join(map(str, list(content)[:3]))})"
    return f"a {type(content).__name__}"


def _recognise(state: Mapping[str, Tensor], path: Path) -> _Kind:
    for kind in KINDS:
        if kind.classes in state:
            classes = state[kind.classes].shape[0]
            if classes != len(FacePart):
                raise WrongModelError(
                    f"{path} is a {kind.network} with {classes} classes, needed the {len(FacePart)} of CelebAMask-HQ. "
                    f"Use facexlib's parsing_{kind.name}.pth."
                )
            return kind
    raise WrongModelError(
        f"{path} ({len(state)} weights, the first '{next(iter(state), '')}') is neither BiSeNet nor ParseNet: "
        f"it has neither '{KINDS[0].classes}' nor '{KINDS[1].classes}'. "
        "Use facexlib's parsing_bisenet.pth or parsing_parsenet.pth."
    )


def _build(kind: _Kind, state: dict[str, Tensor], path: Path) -> nn.Module:
    module = optional_import(kind.module, feature="Face parsing", install="pip install facexlib")
    with torch.device("meta"):  # no initial values, so the global random state is not changed
        network: nn.Module = getattr(module, kind.network)(**kind.arguments)
    needed = network.state_dict()
    missing, unknown = needed.keys() - state.keys(), state.keys() - needed.keys()
    misshapen = {key for key in needed.keys() & state.keys() if needed[key].shape != state[key].shape}
    if wrong := missing | unknown | misshapen:
        raise WrongModelError(
            f"{path} is not facexlib's {kind.network}: of {len(needed)} weights, {len(missing)} are missing and "
            f"{len(misshapen)} have the wrong shape; {len(unknown)} are unknown (such as '{min(wrong)}'). "
            f"Download parsing_{kind.name}.pth again."
        )
    network.load_state_dict(state, strict=True, assign=True)
    return network
