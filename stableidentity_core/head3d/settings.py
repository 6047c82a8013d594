"""Settings of a head in 3D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from ..errors import StableIdentityError

Guidance = Literal["ism", "sds"]
Gradient = Literal["latent", "pixel"]
Rasteriser = Literal["auto", "torch", "gsplat"]
Backdrop = Literal["random", "white", "learned"]
HeadPreset = Literal["paper", "quick", "mini_world"]
CHOICES = {
    "guidance": get_args(Guidance),
    "gradient": get_args(Gradient),
    "rasteriser": get_args(Rasteriser),
    "backdrop": get_args(Backdrop),
}
NEGATIVE = "unrealistic, blurry, low quality, out of focus, ugly, low contrast, dull, dark, low-resolution, gloomy"


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """How a head is made; the defaults are those of LucidDreamer (arXiv 2311.11284), as StableIdentity uses it.

    Attributes:
        views: pictures per step.
        resolution: side of the pictures in pixels.
        guidance: interval score matching (ISM), or score distillation (SDS, arXiv 2209.14988).
        gradient: `latent` goes back through the VAE's encoder, as published; `pixel` decodes what the guidance wants
            and compares pictures, which needs less memory.
        fits: updates of the Gaussians to the same wanted pictures; above 1 only with `pixel`.
        cfg: strength of the prompt.
        delta: levels between the two noise levels that ISM compares, of 1,000.
        inversion_stride: levels per step of ISM's inversion.
        noise_levels: lowest and highest level, as shares of all.
        extra_levels: by which the highest level is raised at first.
        warm_up: share of the steps over which this goes back to 0.
        view_prompts: whether front, side and back views have prompts of their own, with Perp-Neg (arXiv 2304.04968).
        azimuth: views come from this many degrees to either side of the front.
        elevation, radius, fov: ranges of the views in degrees, units and radians.
        widen_every: steps after which views come from further round and nearer; 0 for never.
        camera_jitter: random displacement of the cameras, 1 as published.
        backdrop: `random`: white, black and random colours; `white`; `learned`: one colour that is learned too.
        disparity_share: share of the steps in which the depth takes the place of the picture; only with `latent`.
        flip: whether half of the steps see mirrored pictures.
        points, first_opacity: Gaussians at the start.
        most_points: Gaussians at most.
        densify_every: steps between splitting and pruning; 0 for never.
        densify_until: share of the steps after which no more are split.
        reset_every: steps between resets of the opacities while Gaussians are split; 0 for never.
        smoothness, smallness: weights of the total variation of picture and depth, and of the mean size of Gaussians.
        clearness: weight of half-covered pixels, against a haze around the head and holes in it.
        rate: factor of all learning rates but that of the opacities: else Gaussians vanish rather than change.
        rasteriser: `gsplat` if its compiled module is installed and a GPU computes, otherwise `torch`.

    Raises:
        StableIdentityError: naming the setting, what was found and what is needed.
    """

    steps: int = 5000
    views: int = 4
    resolution: int = 512
    seed: int = 0
    guidance: Guidance = "ism"
    gradient: Gradient = "latent"
    fits: int = 1
    cfg: float = 7.5
    delta: int = 150
    inversion_stride: int = 200
    noise_levels: tuple[float, float] = (0.02, 0.5)
    extra_levels: float = 0.48
    warm_up: float = 0.3
    view_prompts: bool = True
    azimuth: float = 80.0
    elevation: tuple[float, float] = (0.0, 45.0)
    radius: tuple[float, float] = (5.2, 5.5)
    fov: tuple[float, float] = (0.32, 0.60)
    widen_every: int = 500
    camera_jitter: float = 1.0
    backdrop: Backdrop = "random"
    disparity_share: float = 0.2
    flip: bool = True
    points: int = 80_000
    first_opacity: float = 0.1
    most_points: int = 300_000
    densify_every: int = 100
    densify_until: float = 0.6
    reset_every: int = 300
    smoothness: float = 1.0
    smallness: float = 1.0
    clearness: float = 0.0
    rate: float = 1.0
    rasteriser: Rasteriser = "auto"

    def __post_init__(self):
        for name in ("noise_levels", "elevation", "radius", "fov"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, bool) or not isinstance(part, int | float) or not low <= part <= high:
                    raise StableIdentityError(f"{name} is {part!r:.40}, needed a number from {low:g} to {high:g}.")
        for name in WHOLE:
            if not isinstance(getattr(self, name), int):
                raise StableIdentityError(f"{name} is {getattr(self, name)!r:.40}, needed a whole number.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise StableIdentityError(f"{name} is {getattr(self, name)!r:.40}, needed one of {', '.join(choices)}.")
        for name in ("noise_levels", "elevation", "radius", "fov"):
            low, high = getattr(self, name)
            if low > high:
                raise StableIdentityError(f"{name} is {low:g} to {high:g}, needed a range that rises.")
        self._check_together()

    def _check_together(self) -> None:
        if self.resolution % 8:
            raise StableIdentityError(f"resolution is {self.resolution}, needed a multiple of 8.")
        if self.fits > 1 and self.gradient == "latent":
            raise StableIdentityError(f"fits is {self.fits}, needed 1 with gradient latent. Set gradient to pixel.")
        if self.points > self.most_points:
            raise StableIdentityError(f"points is {self.points}, needed at most most_points, {self.most_points}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with lists for ranges, as JSON has them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


MOST_SEED = 2**64 - 1
RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 100_000),
    "views": (1, 16),
    "resolution": (64, 1024),
    "seed": (0, MOST_SEED),
    "fits": (1, 50),
    "cfg": (0, 100),
    "delta": (1, 500),
    "inversion_stride": (1, 1000),
    "noise_levels": (0, 1),
    "extra_levels": (0, 1),
    "warm_up": (0, 1),
    "azimuth": (0, 180),
    "elevation": (-80, 80),
    "radius": (1, 100),
    "fov": (0.05, 2),
    "widen_every": (0, 100_000),
    "camera_jitter": (0, 10),
    "disparity_share": (0, 1),
    "points": (16, 1_000_000),
    "first_opacity": (0.01, 0.95),
    "most_points": (16, 1_000_000),
    "densify_every": (0, 100_000),
    "densify_until": (0, 1),
    "reset_every": (0, 100_000),
    "smoothness": (0, 100),
    "smallness": (0, 100),
    "clearness": (0, 100),
    "rate": (0.001, 100),
}
WHOLE = (
    *("steps", "views", "resolution", "seed", "fits", "delta", "inversion_stride", "widen_every"),
    *("points", "most_points", "densify_every", "reset_every"),
)
PRESETS: dict[HeadPreset, Mapping[str, Any]] = {
    "paper": {},
    "quick": {"steps": 1200, "gradient": "pixel", "disparity_share": 0.0, "points": 40_000, "widen_every": 150},
    # Its people look ahead: views from the front, and goals in pixels, each followed for several updates.
    "mini_world": {
        **{"steps": 45, "views": 2, "resolution": 128, "guidance": "sds", "gradient": "pixel", "fits": 4, "cfg": 4.0},
        **{"view_prompts": False, "azimuth": 15.0, "elevation": (-5.0, 5.0), "radius": (5.2, 5.2), "fov": (0.49, 0.49)},
        **{"widen_every": 0, "camera_jitter": 0.0, "backdrop": "learned", "disparity_share": 0.0, "flip": False},
        **{"points": 4000, "first_opacity": 0.3, "most_points": 4000, "densify_every": 0},
        **{"smoothness": 0.5, "clearness": 2.0, "rate": 5.0},
    },
}


def with_preset(settings: HeadSettings, preset: str) -> HeadSettings:
    """The settings with what a preset says in place of theirs.

    Raises:
        StableIdentityError: no such preset.
    """
    if preset not in PRESETS:
        raise StableIdentityError(f"The preset is {preset!r:.40}, needed one of {', '.join(PRESETS)}.")
    return replace(settings, **PRESETS[preset])


def from_dict(values: Mapping[str, Any]) -> HeadSettings:
    """Settings of plain values; those that are missing have their defaults.

    Raises:
        StableIdentityError: unknown settings, or values out of range.
    """
    if unknown := sorted(values.keys() - {field.name for field in fields(HeadSettings)}):
        raise StableIdentityError(f"There is no setting {unknown[0]!r:.60} of a head in 3D.")
    return HeadSettings(**values)
