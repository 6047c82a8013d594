"""Face detectors, face parsers and the ArcFace encoder, all published with facexlib."""

from __future__ import annotations

from .weight import Weight

FACEXLIB = "https://github.com/xinntao/facexlib/releases/download"  # the addresses in facexlib's init_* functions
CODEFORMER = "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0"
LEONELHS = "https://huggingface.co/leonelhs/facexlib"
CAMENDURU = "https://huggingface.co/camenduru/PuLID"
LEONELHS_FILES = f"{LEONELHS}/resolve/main"
CAMENDURU_FILES = f"{CAMENDURU}/resolve/main/facexlib"

DETECTION = "stableidentity/face_detection"
PARSING = "stableidentity/face_parsing"
ENCODERS = "stableidentity/face_encoders"

SOURCE = "[facexlib](https://github.com/xinntao/facexlib/releases)"
MIRROR = f"mirrors (unofficial): [camenduru/PuLID]({CAMENDURU})"
MIRRORS = f"{MIRROR}, [leonelhs/facexlib]({LEONELHS})"
ARCH = "the Arch Linux recipe python-facexlib 0.2.5"
RETINAFACE_READ_ME = "the README of clibdev/Pytorch_Retinaface"

RETINAFACE_LICENCE = "not stated (code: MIT)"
RETINAFACE_NOTE = "trained on WIDER FACE, tagged CC BY-NC-ND 4.0"
CELEBAMASK = "CelebAMask-HQ, which is for non-commercial research only"

DETECTORS = ("retinaface_resnet50", "retinaface_mobile0.25")
PARSERS = ("bisenet", "parsenet")

FACE_NETS = (
    Weight(
        name="retinaface_resnet50",
        section="needed",
        purpose="face detection: RetinaFace, ResNet-50",
        file="detection_Resnet50_Final.pth",
        folder=DETECTION,
        urls=tuple(
            f"{base}/detection_Resnet50_Final.pth"
            for base in (f"{FACEXLIB}/v0.1.0", CODEFORMER, CAMENDURU_FILES, LEONELHS_FILES)
        ),
        source=f"{SOURCE}; {MIRRORS}, CodeFormer's releases",
        revision="v0.1.0",
        bytes=109_497_761,
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        hash_from=f"{ARCH}; {RETINAFACE_READ_ME}",
        licence=RETINAFACE_LICENCE,
        note=RETINAFACE_NOTE,
        elsewhere=("facexlib", "facedetection"),
    ),
    Weight(
        name="bisenet",
        section="needed",
        purpose="face and hair masks: BiSeNet, 19 classes",
        file="parsing_bisenet.pth",
        folder=PARSING,
        urls=tuple(f"{base}/parsing_bisenet.pth" for base in (f"{FACEXLIB}/v0.2.0", LEONELHS_FILES, CAMENDURU_FILES)),
        source=f"{SOURCE}; {MIRRORS}",
        revision="v0.2.0",
        bytes=53_289_463,
        sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
        hash_from=f"{ARCH}; MuseTalk's file lists, where it is `79999_iter.pth`",
        licence="not stated (code: MIT)",
        note=f"trained on {CELEBAMASK}",
        elsewhere=("facexlib", "facedetection"),
    ),
    Weight(
        name="retinaface_mobile0.25",
        section="choice",
        purpose="face detection, smaller: RetinaFace, MobileNet 0.25",
        file="detection_mobilenet0.25_Final.pth",
        folder=DETECTION,
        urls=tuple(
            f"{base}/detection_mobilenet0.25_Final.pth" for base in (f"{FACEXLIB}/v0.1.0", CODEFORMER, CAMENDURU_FILES)
        ),
        source=f"{SOURCE}; {MIRROR}, CodeFormer's releases",
        revision="v0.1.0",
        bytes=1_789_735,
        sha256="2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
        hash_from=f"{ARCH}; {RETINAFACE_READ_ME}",
        licence=RETINAFACE_LICENCE,
        note=RETINAFACE_NOTE,
        elsewhere=("facexlib", "facedetection"),
    ),
    Weight(
        name="parsenet",
        section="choice",
        purpose="face and hair masks: ParseNet, 19 classes",
        file="parsing_parsenet.pth",
        folder=PARSING,
        urls=tuple(
            f"{base}/parsing_parsenet.pth"
            for base in (f"{FACEXLIB}/v0.2.2", CODEFORMER, CAMENDURU_FILES, LEONELHS_FILES)
        ),
        source=f"{SOURCE}; {MIRRORS}, CodeFormer's releases",
        revision="v0.2.2",
        bytes=85_331_193,
        sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
        hash_from=f"{ARCH}; several file lists of CodeFormer",
        licence="not stated (code based on PSFR-GAN: CC BY-NC-SA 4.0)",
        note=f"trained by an unknown author; PSFR-GAN trains this network on {CELEBAMASK}",
        elsewhere=("facexlib", "facedetection"),
    ),
    Weight(
        name="arcface_ir_se50",
        section="choice",
        purpose="face encoder: ArcFace, IR-SE50",
        file="recognition_arcface_ir_se50.pth",
        folder=ENCODERS,
        urls=tuple(f"{base}/recognition_arcface_ir_se50.pth" for base in (f"{FACEXLIB}/v0.1.0", CAMENDURU_FILES)),
        source=f"{SOURCE}; {MIRROR}",
        revision="v0.1.0",
        bytes=175_367_323,
        sha256="a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28",
        hash_from=f"{ARCH}; training code that uses `model_ir_se50.pth`",
        licence="not stated (code: MIT)",
        note="its author recommends MS1M (refined) as training data",
        elsewhere=("facexlib",),
    ),
)
