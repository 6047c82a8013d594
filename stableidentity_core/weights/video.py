"""Text-to-video UNets published on Hugging Face; text encoder and VAE are those of SD2.1."""

from __future__ import annotations

from .models import HUGGING_FACE
from .weight import Weight

ALI_VILAB = f"{HUGGING_FACE}/ali-vilab"
MODELSCOPE = f"{ALI_VILAB}/modelscope-damo-text-to-video-synthesis"
MS = f"{ALI_VILAB}/text-to-video-ms-1.7b"
ZEROSCOPE = f"{HUGGING_FACE}/cerspense/zeroscope_v2_576w"
ZEROSCOPE_XL = f"{HUGGING_FACE}/cerspense/zeroscope_v2_XL"
PTH = "text2video_pytorch_model.pth"
NON_COMMERCIAL = "CC BY-NC 4.0: no commercial use"

VIDEO = (
    Weight(
        name="ms_1.7b",
        section="optional",
        purpose="text-to-video: ModelScopeT2V, fp16, for workflow 11",
        file="diffusion_pytorch_model.fp16.safetensors",
        folder="text2video/text-to-video-ms-1.7b",
        urls=(
            f"{MS}/resolve/8227dddca75a8561bf858d604cc5dae52b954d01/unet/diffusion_pytorch_model.fp16.safetensors",
            f"{MS}/resolve/main/unet/diffusion_pytorch_model.fp16.safetensors",
        ),
        source=f"[ali-vilab/text-to-video-ms-1.7b]({MS}), folder `unet`",
        revision="8227dddc",
        about="2.82 GB",
        licence=NON_COMMERCIAL,
        note="hash unknown; 256x256, 16 frames",
    ),
    Weight(
        name="modelscope_t2v",
        section="optional",
        purpose="text-to-video: ModelScopeT2V, fp32, the original file",
        file=PTH,
        folder="text2video/modelscope",
        urls=(
            f"{MODELSCOPE}/resolve/56892350b04379617935da934f200209b6bc96fc/{PTH}",
            f"{MODELSCOPE}/resolve/main/{PTH}",
        ),
        source=f"[ali-vilab/modelscope-damo-text-to-video-synthesis]({MODELSCOPE})",
        revision="56892350",
        about="5.65 GB",
        licence=NON_COMMERCIAL,
        note="hash unknown; its open_clip and VQGAN files are not needed",
    ),
    Weight(
        name="zeroscope_576w",
        section="optional",
        purpose="text-to-video: ZeroScope v2 576w, fp16",
        file=PTH,
        folder="text2video/zeroscope_v2_576w",
        urls=(
            f"{ZEROSCOPE}/resolve/54580d550e4b47d2c70966d14276a765d2536c18/zs2_576w/{PTH}",
            f"{ZEROSCOPE}/resolve/main/zs2_576w/{PTH}",
        ),
        source=f"[cerspense/zeroscope_v2_576w]({ZEROSCOPE}), folder `zs2_576w`",
        revision="54580d55",
        about="2.82 GB",
        licence=NON_COMMERCIAL,
        note="hash unknown; 576x320, 24 frames",
    ),
    Weight(
        name="zeroscope_xl",
        section="optional",
        purpose="video upscaling: ZeroScope v2 XL, fp16, for workflow 13",
        file=PTH,
        folder="text2video/zeroscope_v2_XL",
        urls=(
            f"{ZEROSCOPE_XL}/resolve/c4fce654f2d92de591ce6a2da570f049bd731dc8/zs2_XL/{PTH}",
            f"{ZEROSCOPE_XL}/resolve/main/zs2_XL/{PTH}",
        ),
        source=f"[cerspense/zeroscope_v2_XL]({ZEROSCOPE_XL}), folder `zs2_XL`",
        revision="c4fce654",
        about="2.82 GB",
        sha256="18dd886130ca1d7228900ac703e88f96f358f040cd56f5392f1d8d7b174ec750",
        hash_from="Hugging Face's page of the file",
        licence=NON_COMMERCIAL,
        note="1024x576, 24 frames",
    ),
)
