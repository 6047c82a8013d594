"""Networks of TripoSplat, by which workflow 20 makes a splat of one picture."""

from __future__ import annotations

from .models import HUGGING_FACE
from .weight import Weight

TRIPOSPLAT = f"{HUGGING_FACE}/VAST-AI/TripoSplat"
REVISION = "56a96e603204ec410c4da60c13ea4fa09a2169a9"
PINNED_BY = "public programs that run TripoSplat and pin its files"


def _file(name: str, purpose: str, path: str, size: int, sha256: str, note: str = "–") -> Weight:
    folder, _, file = path.rpartition("/")
    return Weight(
        name=name,
        section="optional",
        purpose=f"{purpose}, for workflow 20",
        file=file,
        folder=folder,
        urls=(f"{TRIPOSPLAT}/resolve/{REVISION}/{path}",),
        source=f"[VAST-AI]({TRIPOSPLAT})",
        revision=REVISION[:8],
        bytes=size,
        sha256=sha256,
        hash_from=PINNED_BY,
        licence="MIT",
        note=note,
    )


SPLATS = (
    _file(
        "triposplat",
        "TripoSplat, a splat of one picture",
        "diffusion_models/triposplat_fp16.safetensors",
        741_106_994,
        "c870b97ac1d6bc9177608a5ec625e19ef9f3c5019aa68f64b0fb7803abcd6d20",
    ),
    _file(
        "triposplat_decoder",
        "TripoSplat's decoder",
        "vae/triposplat_vae_decoder_fp16.safetensors",
        576_148_442,
        "ed0d0c3d43b599e326845d0ec70f3cf77be9a55e2d97627ac3b34d2830763cc8",
    ),
    _file(
        "triposplat_dinov3",
        "what TripoSplat sees the picture with: DINOv3 ViT-H/16+",
        "clip_vision/dino_v3_vit_h.safetensors",
        1_681_247_696,
        "a29ef35101a16966972a0d50732a6f3a608ff7cfffb2afa9bbe9007cb842cc53",
        note="a network of Meta's, whose own DINOv3 License has limits of use",
    ),
    _file(
        "triposplat_flux2_vae",
        "what TripoSplat sees the picture with: the VAE of FLUX.2",
        "vae/flux2-vae.safetensors",
        336_213_556,
        "d64f3a68e1cc4f9f4e29b6e0da38a0204fe9a49f2d4053f0ec1fa1ca02f9c4b5",
        note="of Black Forest Labs, who tag theirs Apache-2.0 with FLUX.2-klein-4B",
    ),
    _file(
        "triposplat_birefnet",
        "what cuts the person out: BiRefNet",
        "background_removal/birefnet.safetensors",
        444_473_596,
        "9ab37426bf4de0567af6b5d21b16151357149139362e6e8992021b8ce356a154",
        note="ComfyUI's own example names another file of this name",
    ),
)
