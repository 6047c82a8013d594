"""Text-to-video: the model, empty clips, context windows, and pose maps in the published channel order."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.video import PRESETS, VideoSize, check_clip
from . import categories
from .host.latents import empty_latents
from .host.paths import file_state, video_model_path, video_models
from .host.video.model import DTYPES, load_video_model
from .host.video.windows import with_windows

OWN_SIZE = "own size"
MOST_FRAMES, MOST_PIXELS = 4096, 16384
ORDERS = ("RGB (as drawn)", "BGR (published notebook)")


class LoadVideoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoadVideoModel",
            display_name="Load Text-to-Video Model (ModelScope/ZeroScope)",
            category=categories.VIDEO,
            description="Loads the UNet of ModelScopeT2V or ZeroScope, for the stock KSampler. Text encoder and VAE "
            "are those of SD2.1, so an identity learned with SD2.1 works in its prompts unchanged.",
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=video_models(),
                    tooltip="text2video_pytorch_model.pth, or diffusion_pytorch_model.safetensors (or .bin) from a "
                    "unet folder, in models/text2video or models/diffusion_models. Other models are rejected.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(DTYPES),
                    default="default",
                    tooltip="Storage type of the weights. default: chosen by file and device; fp8 takes half "
                    "the memory of fp16 and loses some detail.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler, with Empty Video Latent.")],
        )

    @classmethod
    def fingerprint_inputs(cls, model_name: str, weight_dtype: str = "default") -> str:
        return file_state(video_model_path(model_name))

    @classmethod
    def execute(cls, model_name: str, weight_dtype: str = "default") -> io.NodeOutput:
        return io.NodeOutput(load_video_model(video_model_path(model_name), weight_dtype))


class EmptyVideoLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityEmptyVideoLatent",
            display_name="Empty Video Latent",
            category=categories.VIDEO,
            description="An empty clip for a text-to-video model, and its settings for downstream nodes. Frames are "
            "the images of a batch, so stock latent, VAE and ControlNet nodes work on them.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[OWN_SIZE, *PRESETS],
                    default=OWN_SIZE,
                    tooltip="The native size of a model; width, height and length below are then ignored.",
                ),
                *(
                    io.Int.Input(
                        side, default=256, min=8, max=MOST_PIXELS, step=8, tooltip="In pixels, a multiple of 8."
                    )
                    for side in ("width", "height")
                ),
                io.Int.Input(
                    "length",
                    default=16,
                    min=1,
                    max=MOST_FRAMES,
                    tooltip="Number of frames. The models were trained on 16 (ModelScope) or 24 (ZeroScope); for many "
                    "more, use Context Windows (text-to-video).",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=120.0,
                    tooltip="Frames per second, for Create Video. The model itself is not conditioned on it.",
                ),
            ],
            outputs=[
                io.Latent.Output(tooltip="The empty clip, for KSampler."),
                io.Int.Output(display_name="width", tooltip="Frame width in pixels."),
                io.Int.Output(display_name="height", tooltip="Frame height in pixels."),
                io.Int.Output(display_name="length", tooltip="Number of frames."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
            ],
        )

    @classmethod
    def execute(cls, preset: str, width: int, height: int, length: int, fps: float) -> io.NodeOutput:
        size = PRESETS.get(preset) or VideoSize(width=width, height=height, length=length)
        clip = check_clip(VideoSize(width=size.width, height=size.height, length=size.length, fps=fps))
        return io.NodeOutput(empty_latents(clip), clip.width, clip.height, clip.length, clip.fps)


class VideoContextWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityVideoWindows",
            display_name="Context Windows (text-to-video)",
            category=categories.VIDEO,
            description="For clips longer than a model was trained on: denoises one window of frames at a time and "
            "averages overlapping windows. Each window gets the ControlNet images of its own frames.",
            inputs=[
                io.Model.Input("model", tooltip="From Load Text-to-Video Model."),
                io.Int.Input(
                    "length",
                    default=16,
                    min=1,
                    max=MOST_FRAMES,
                    tooltip="Frames per window: 16 for ModelScope, 24 for ZeroScope. Shorter clips are not affected.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=MOST_FRAMES,
                    tooltip="Frames shared by neighbouring windows. Higher is smoother and slower.",
                ),
                io.Boolean.Input(
                    "share_noise",
                    default=True,
                    tooltip="FreeNoise: later windows start from the shuffled noise of the first, so that "
                    "they show the same scene.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="For KSampler.")],
        )

    @classmethod
    def execute(cls, model: object, length: int, overlap: int, share_noise: bool) -> io.NodeOutput:
        if model is None:
            raise StableIdentityError(
                "Context Windows got nothing at its input 'model', needed a diffusion model. Check what is connected "
                "there."
            )
        return io.NodeOutput(with_windows(model, length, overlap, share_noise))


class ChannelOrder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityChannelOrder",
            display_name="Channel Order",
            category=categories.VIDEO,
            description="Swaps red and blue. StableIdentity's published notebook passes pose maps to ControlNet in "
            "that order; which one works better depends on the ControlNet, so try both.",
            inputs=[
                io.Image.Input("image", tooltip="One or more pose maps."),
                io.Combo.Input(
                    "order",
                    options=list(ORDERS),
                    default=ORDERS[0],
                    tooltip="RGB leaves the image as it is; BGR swaps red and blue.",
                ),
            ],
            outputs=[io.Image.Output(tooltip="For ControlNet.")],
        )

    @classmethod
    def execute(cls, image: io.Image.Type, order: str) -> io.NodeOutput:
        if order == ORDERS[0]:
            return io.NodeOutput(image)
        if image.shape[-1] < 3:
            raise StableIdentityError(
                f"Channel Order got an image of shape {list(image.shape)}, needed at least 3 channels on its last "
                "axis. Connect a colour image, or choose RGB."
            )
        return io.NodeOutput(image[..., [2, 1, 0, *range(3, image.shape[-1])]])
