"""Notes of the text-to-video workflows, for author.py."""

from __future__ import annotations

VIDEO = """## The person moves

The two words learned with **SD2.1** work unchanged in ModelScope's text-to-video model: its text encoder is SD2.1's.

1. Learn a person first (*learn_from_photo*), press **R**, choose the file in **Load Identity**. Or leave out both
   nodes and type `embedding:person-1` in the prompt, with the same result.
2. Describe what happens: `<person-1> playing the guitar`.
3. Queue. The result is 16 frames of 256x256, saved as an mp4.

**ZeroScope 576w**: choose its file, and its preset in **Empty Video Latent**. *video_upscale* enlarges the clip.

**Longer**: put **Context Windows (text-to-video)** between model and KSampler, and raise `length`."""

VIDEO_FILES = """## Files this needs

- `models/text2video/text-to-video-ms-1.7b/diffusion_pytorch_model.fp16.safetensors` (2.8 GB, no commercial use)
- `models/checkpoints/v2-1_512-ema-pruned.safetensors`: CLIP and VAE

`python -m stableidentity_core download ms_1.7b sd21_base --models MODELS_FOLDER` downloads both. Sources are listed
in the pack's MODELS.md."""

UPSCALE = """## Enlarging a small clip

ZeroScope XL was made to refine a small clip at 1024x576.

1. Put the clip of *video_from_identity* into **Load Video**.
2. Use the prompt that the clip was made with.
3. `denoise` sets how much is changed: start with 0.6; lower values keep more of the clip.

With another text-to-video model and prompt, the same graph edits the content of a clip.

Needs `models/text2video/zeroscope_v2_XL/text2video_pytorch_model.pth` and the SD2.1 checkpoint; its authors
state 15 GB of GPU memory for 30 frames."""

VIDEO_POSE = """## The person follows given poses

One OpenPose image per frame, through the stock **Apply ControlNet**. The clip has the length and frame rate of the
video of poses.

1. Choose the video of poses: made from any video by an OpenPose preprocessor.
2. Describe what happens.

- The ControlNet is the one for **SD2.1** of *controlnet_pose*: the model shares its layers.
- **Context Windows (text-to-video)** is for more than 16 poses; each window gets its own poses. Shorter clips are not
  affected.
- **Channel Order** as in *controlnet_pose*.

Poses are not part of the paper's text-to-video."""

SCORE = """## How well a clip keeps the face

1. Choose the clip and the photo.
2. Queue. Blue: each frame against the photo. Orange: each frame against the next one. Grey: no face found;
   such frames are excluded from the means.

- What a value means depends on the encoder: compare clips with the same encoder.
- The encoder should not be the one that the person was learned with, as it would be biased.
- A still clip keeps every face: look at the clip, too.

Needs `models/stableidentity/face_encoders/recognition_arcface_ir_se50.pth` and a face detector:
`python -m stableidentity_core download arcface_ir_se50 retinaface_resnet50 --models MODELS_FOLDER`, or `download`
in both nodes for the detector."""
