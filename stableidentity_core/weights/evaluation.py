"""Networks that measure pictures: CLIP, LPIPS and Inception, for the evaluation suite."""

from __future__ import annotations

from .models import HUGGING_FACE
from .weight import Weight

CLIP_B32 = f"{HUGGING_FACE}/openai/clip-vit-base-patch32"
CLIP_L14 = f"{HUGGING_FACE}/openai/clip-vit-large-patch14"
CLIP_B32_FILES = f"{CLIP_B32}/resolve/3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
CLIP_L14_FILES = f"{CLIP_L14}/resolve/32bd64288804d66eefd0ccbe215aa642df71cc41"
TORCH_FIDELITY = "https://github.com/toshas/torch-fidelity"
LPIPS = "https://github.com/richzhang/PerceptualSimilarity"
TORCHVISION = "https://download.pytorch.org/models"

FOLDER = "stableidentity/evaluation"
FILE_LISTS = "public file lists of evaluation code"
CLIP_LICENCE = "not stated (code: MIT)"
CLIP_NOTE = "meant for research by its model card"
IMAGENET = "trained on ImageNet, which is for non-commercial research"

EVALUATION = (
    Weight(
        name="clip_vit_b32",
        section="evaluation",
        purpose="CLIP-T and CLIP-I: CLIP ViT-B/32",
        file="pytorch_model.bin",
        folder=f"{FOLDER}/clip-vit-base-patch32",
        urls=(f"{CLIP_B32_FILES}/pytorch_model.bin",),
        source=f"[OpenAI]({CLIP_B32})",
        revision="3d74acf9",
        bytes=605_247_071,
        sha256="a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
        hash_from=FILE_LISTS,
        licence=CLIP_LICENCE,
        note=CLIP_NOTE,
    ),
    Weight(
        name="clip_vit_l14",
        section="evaluation",
        purpose="second columns of CLIP-T and CLIP-I: CLIP ViT-L/14",
        file="model.safetensors",
        folder=f"{FOLDER}/clip-vit-large-patch14",
        urls=(f"{CLIP_L14_FILES}/model.safetensors",),
        source=f"[OpenAI]({CLIP_L14})",
        revision="32bd6428",
        bytes=1_710_540_580,
        sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
        hash_from=FILE_LISTS,
        licence=CLIP_LICENCE,
        note=CLIP_NOTE,
    ),
    Weight(
        name="clip_vocabulary",
        section="evaluation",
        purpose="tokenizer of both CLIP models: the vocabulary",
        file="vocab.json",
        folder=f"{FOLDER}/clip_tokenizer",
        urls=(f"{CLIP_B32_FILES}/vocab.json",),
        source=f"[OpenAI]({CLIP_B32})",
        revision="3d74acf9",
        bytes=862_328,
        sha256="5047b556ce86ccaf6aa22b3ffccfc52d391ea4accdab9c2f2407da5b742d4363",
        hash_from=FILE_LISTS,
        licence=CLIP_LICENCE,
    ),
    Weight(
        name="clip_merges",
        section="evaluation",
        purpose="tokenizer of both CLIP models: the merges",
        file="merges.txt",
        folder=f"{FOLDER}/clip_tokenizer",
        urls=(f"{CLIP_B32_FILES}/merges.txt",),
        source=f"[OpenAI]({CLIP_B32})",
        revision="3d74acf9",
        bytes=524_657,
        sha256="f526393189112391ce6f9795d4695f704121ce452c3aad1f5335cc41337eba85",
        hash_from=FILE_LISTS,
        licence=CLIP_LICENCE,
    ),
    Weight(
        name="alexnet",
        section="evaluation",
        purpose="face diversity: AlexNet, the network of LPIPS",
        file="alexnet-owt-7be5be79.pth",
        folder=f"{FOLDER}/lpips",
        urls=(f"{TORCHVISION}/alexnet-owt-7be5be79.pth",),
        source="[torchvision](https://docs.pytorch.org/vision/stable/models/alexnet.html)",
        revision="7be5be79",
        bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        hash_from=f"its first digits are in the file's name; {FILE_LISTS}",
        licence="not stated (code: BSD-3-Clause)",
        note=IMAGENET,
    ),
    Weight(
        name="lpips_alex",
        section="evaluation",
        purpose="face diversity: LPIPS 0.1, the weights of AlexNet's channels",
        file="alex.pth",
        folder=f"{FOLDER}/lpips",
        urls=(f"{LPIPS}/raw/c33f89e9f46522a584cf41d8880eb0afa982708b/lpips/weights/v0.1/alex.pth",),
        source=f"[richzhang/PerceptualSimilarity]({LPIPS})",
        revision="c33f89e9",
        bytes=6_009,
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        hash_from="the same file in the packages lpips 0.1.4 and torchmetrics 1.9.0",
        licence="BSD-2-Clause",
    ),
    Weight(
        name="inception_fid",
        section="evaluation",
        purpose="FID and KID: Inception v3 of 2015-12-05",
        file="weights-inception-2015-12-05-6726825d.pth",
        folder=f"{FOLDER}/inception",
        urls=(f"{TORCH_FIDELITY}/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",),
        source=f"[torch-fidelity]({TORCH_FIDELITY}/releases)",
        revision="v0.2.0",
        bytes=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        hash_from=f"its first digits are in the file's name; {FILE_LISTS}",
        licence="Apache-2.0",
        note=IMAGENET,
    ),
)
