"""Flow-matching bases as ComfyUI's makers repackage them, by which workflows 21 to 23 learn a person."""

from __future__ import annotations

from .models import HUGGING_FACE
from .weight import Weight

COMFY_ORG = f"{HUGGING_FACE}/Comfy-Org"
SD35 = f"{COMFY_ORG}/stable-diffusion-3.5-fp8"
Z_IMAGE = f"{COMFY_ORG}/z_image_turbo"
WAN = f"{COMFY_ORG}/Wan_2.1_ComfyUI_repackaged"
REVISIONS = {
    SD35: "934251d1e6168bcb45a069abc5bd5cdd5f8fea00",
    Z_IMAGE: "d24c4cf2a0cd98a42f23467e27e3d76ee9438b8e",
    WAN: "123acf1cc74bccbb9bfff8ac1ee72edc08c2341d",
}
STABILITY = "Stability AI Community License (stabilityai-ai-community)"
PINNED_BY = "public programs that download it and check it"


def _file(
    name: str,
    purpose: str,
    place: tuple[str, str, str],
    size: int,
    sha256: str,
    licence: str,
    note: str = "–",
) -> Weight:
    """An entry.

    Args:
        place: repository, path in it, folder below `models`.
    """
    repository, path, folder = place
    revision = REVISIONS[repository]
    return Weight(
        name=name,
        section="optional",
        purpose=purpose,
        file=path.rpartition("/")[2],
        folder=folder,
        urls=(f"{repository}/resolve/{revision}/{path}",),
        source=f"[{repository.removeprefix(HUGGING_FACE + '/')}]({repository})",
        revision=revision[:8],
        bytes=size,
        sha256=sha256,
        hash_from=PINNED_BY,
        licence=licence,
        note=note,
    )


FLOW = (
    _file(
        "sd35_medium",
        "SD3.5 medium with its text encoders, for workflow 21",
        (SD35, "sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors", "checkpoints"),
        11_638_004_202,
        "1778e8857679042c176c21cd8a0da7b29bded68be018557477f84419df79bacf",
        STABILITY,
        "T5-XXL in it is scaled fp8",
    ),
    _file(
        "z_image_turbo",
        "Z-Image-Turbo, bf16, for workflow 22",
        (Z_IMAGE, "split_files/diffusion_models/z_image_turbo_bf16.safetensors", "diffusion_models"),
        12_309_866_400,
        "2407613050b809ffdff18a4ac99af83ea6b95443ecebdf80e064a79c825574a6",
        "not stated (Tongyi-MAI's own Z-Image-Turbo: Apache-2.0)",
    ),
    _file(
        "z_image_qwen3_4b",
        "Z-Image's text encoder Qwen3-4B, bf16, for workflow 22",
        (Z_IMAGE, "split_files/text_encoders/qwen_3_4b.safetensors", "text_encoders"),
        8_044_982_048,
        "6c671498573ac2f7a5501502ccce8d2b08ea6ca2f661c458e708f36b36edfc5a",
        "not stated (Qwen's own Qwen3-4B: Apache-2.0)",
    ),
    _file(
        "z_image_vae",
        "Z-Image's VAE, which is that of FLUX.1, for workflow 22",
        (Z_IMAGE, "split_files/vae/ae.safetensors", "vae"),
        335_304_388,
        "afc8e28272cd15db3919bacdb6918ce9c1ed22e96cb12c4d5ed0fba823529e38",
        "not stated (Black Forest Labs' own FLUX.1-schnell: Apache-2.0)",
        "FLUX.1-dev has the same file, under terms for non-commercial use",
    ),
    _file(
        "wan21_t2v_1.3b",
        "Wan 2.1 text-to-video 1.3B, fp16, for workflow 23",
        (WAN, "split_files/diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors", "diffusion_models"),
        2_838_303_560,
        "be531024cd9018cb5b48c40cfbb6a6191645b1c792eb8bf4f8c1c6e10f924dc5",
        "Apache-2.0",
    ),
    _file(
        "wan_umt5xxl",
        "Wan's text encoder UMT5-XXL, scaled fp8, for workflow 23",
        (WAN, "split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors", "text_encoders"),
        6_735_906_897,
        "c3355d30191f1f066b26d93fba017ae9809dce6c627dda5f6a66eaa651204f68",
        "Apache-2.0",
    ),
    _file(
        "wan21_vae",
        "Wan 2.1's VAE, for workflow 23",
        (WAN, "split_files/vae/wan_2.1_vae.safetensors", "vae"),
        253_815_318,
        "2fc39d31359a4b0a64f55876d8ff7fa8d780956ae2cb13463b0223e15148976b",
        "Apache-2.0",
    ),
)
