"""Notes of the text-to-video workflows, for author.py."""

from __future__ import annotations

VIDEO = """## The person moves

The two words learned with **SD2.1** work in ModelScope's text-to-video model as they are: its text encoder is SD2.1's.

1. Learn a person first (*learn_from_photo*), press **R**, choose the file in **Load Identity**. Or leave both nodes
   out and type `embedding:person-1` in the prompt: the same.
2. Write what happens: `<person-1> playing the guitar`.
3. Queue. 16 frames of 256x256, saved as an mp4.

**ZeroScope 576w**: choose its file, and its preset in **Empty Video Latent**. *video_upscale* enlarges the clip.

**Longer**: put **Context Windows (text-to-video)** between model and KSampler, and raise `length`."""

VIDEO_FILES = """## Files this needs

- `models/text2video/text-to-video-ms-1.7b/diffusion_pytorch_model.fp16.safetensors` (2.8 GB, no commercial use)
- `models/checkpoints/v2-1_512-ema-pruned.safetensors`: CLIP and VAE

`python -m stableidentity_core download ms_1.7b sd21_base --models MODELS_FOLDER` fetches both. Sources are listed in
MODELS.md of the pack."""

UPSCALE = """## A small clip enlarged

ZeroScope XL was made to go over a small clip once more, at 1024x576.

1. Put the clip of *video_from_identity* into **Load Video**.
2. Use the prompt it was made with.
3. `denoise` says how much is new: 0.6 is a start, less keeps more of the clip.

The same graph with another text-to-video model and prompt changes what a clip shows.

Needs `models/text2video/zeroscope_v2_XL/text2video_pytorch_model.pth` and the SD2.1 checkpoint; its authors
name 15 GB of GPU memory for 30 frames."""

VIDEO_POSE = """## The person moves as told

One OpenPose picture for each frame, through the stock **Apply ControlNet**. The clip gets as many frames as the
video of poses has, and its speed.

1. Choose the video of poses: made by an OpenPose preprocessor from any video.
2. Write what happens.

- The ControlNet is the one for **SD2.1** of *controlnet_pose*: the model shares its layers.
- **Context Windows (text-to-video)** is for more than 16 poses; each window gets its own poses. Shorter clips are left
  alone.
- **Channel Order** as in *controlnet_pose*.

Poses are not part of the paper's text-to-video."""

SCORE = """## How well a clip keeps the face

1. Choose the clip and the photo.
2. Queue. Blue: each frame against the photo. Orange: each frame against the next one. Grey: no face was found there;
   such frames are in no mean.

- What a value means depends on the encoder: compare clips with each other, by the same one.
- The encoder should not be the one that the person was learned with, or it praises its own work.
- A clip that stands still keeps every face: look at the clip, too.

Needs `models/stableidentity/face_encoders/recognition_arcface_ir_se50.pth` and a face detector:
`python -m stableidentity_core download arcface_ir_se50 retinaface_resnet50 --models MODELS_FOLDER`, or `download`
in both nodes for the detector."""
