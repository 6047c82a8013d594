"""Networks of other methods, which the evaluation suite compares with: IP-Adapter."""

from __future__ import annotations

from .models import HUGGING_FACE
from .weight import Weight

IP_ADAPTER = f"{HUGGING_FACE}/h94/IP-Adapter"
IP_ADAPTER_FILES = f"{IP_ADAPTER}/resolve/018e402774aeeddd60609b4ecdb7e298259dc729"
FOLDER = "stableidentity/evaluation/ip-adapter"
SOURCE = f"[h94]({IP_ADAPTER})"
FILE_LISTS = "public file lists of programs that download it"

COMPARED = (
    Weight(
        name="ip_adapter_face_sd15",
        section="compared",
        purpose="IP-Adapter for faces, on SD1.5",
        file="ip-adapter-plus-face_sd15.safetensors",
        folder=FOLDER,
        urls=(f"{IP_ADAPTER_FILES}/models/ip-adapter-plus-face_sd15.safetensors",),
        source=SOURCE,
        revision="018e4027",
        about="98 MB",
        sha256="1c9edc21af6f737dc1d6e0e734190e976cfacf802d6b024b77aa3be922f7569b",
        hash_from=FILE_LISTS,
        licence="Apache-2.0",
        elsewhere=("ipadapter",),
    ),
    Weight(
        name="ip_adapter_face_sdxl",
        section="compared",
        purpose="IP-Adapter for faces, on SDXL",
        file="ip-adapter-plus-face_sdxl_vit-h.safetensors",
        folder=FOLDER,
        urls=(f"{IP_ADAPTER_FILES}/sdxl_models/ip-adapter-plus-face_sdxl_vit-h.safetensors",),
        source=SOURCE,
        revision="018e4027",
        bytes=847_517_512,
        sha256="677ad8860204f7d0bfba12d29e6c31ded9beefdf3e4bbd102518357d31a292c1",
        hash_from=FILE_LISTS,
        licence="Apache-2.0",
        elsewhere=("ipadapter",),
    ),
    Weight(
        name="ip_adapter_encoder",
        section="compared",
        purpose="what IP-Adapter sees the photo with: CLIP ViT-H/14",
        file="model.safetensors",
        folder=f"{FOLDER}/image_encoder",
        urls=(f"{IP_ADAPTER_FILES}/models/image_encoder/model.safetensors",),
        source=SOURCE,
        revision="018e4027",
        bytes=2_528_373_448,
        sha256="6ca9667da1ca9e0b0f75e46bb030f7e011f44f86cbfb8d5a36590fcd7507b030",
        hash_from=FILE_LISTS,
        licence="Apache-2.0",
    ),
)
