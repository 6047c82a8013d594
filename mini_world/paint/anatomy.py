"""Positions of the parts of a face, from its geometry and gaze; lengths are fractions of the picture side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..person import Geometry
from .canvas import Points

CENTRE = 0.5
TURN = {"ahead": 0.0, "left": -1.0, "right": 1.0}  # as the viewer sees it


@dataclass(frozen=True)
class Anatomy:
    """The face of one picture."""

    width: float  # half the width, at the cheeks
    crown: float
    brow_line: float  # where the skull is widest
    chin: float
    jaw: float  # roundness of the jaw: 1.7 pointed .. 3.6 square
    turn: float  # -1 looks left, 1 right
    shape: Geometry

    @classmethod
    def of(cls, shape: Geometry, gaze: str) -> Anatomy:
        return cls(
            width=0.232 + 0.040 * shape.face_width,
            crown=0.235,
            brow_line=0.50,
            chin=0.80 + 0.045 * shape.face_length,
            jaw=2.6 + 1.0 * shape.jaw,
            turn=TURN[gaze],
            shape=shape,
        )

    @property
    def middle(self) -> float:
        """The horizontal centre of nose and mouth; the face turns, the skull does not."""
        return CENTRE + 0.04 * self.turn

    @property
    def eye_y(self) -> float:
        return 0.515 - 0.028 * self.shape.eye_height

    @property
    def eye_offset(self) -> float:
        return 0.102 + 0.022 * self.shape.eye_distance

    @property
    def eye_radius(self) -> float:
        return 0.053 + 0.013 * self.shape.eye_size

    @property
    def brow_y(self) -> float:
        return self.eye_y - self.eye_radius - 0.028 - 0.016 * self.shape.brow_height

    @property
    def nose_y(self) -> float:
        return self.eye_y + 0.095 + 0.03 * self.shape.nose_length

    @property
    def mouth_y(self) -> float:
        free = self.chin - self.nose_y
        return self.nose_y + free * (0.47 + 0.07 * self.shape.mouth_height)

    def half_width(self, y: Points | float, grow: float = 0.0) -> np.ndarray:
        """Half the width of the head at heights y, for a head larger by `grow`."""
        y = np.asarray(y, dtype=float)
        above = np.clip((self.brow_line - y) / (self.brow_line - self.crown + grow), 0, 1)
        below = np.clip((y - self.brow_line) / (self.chin - self.brow_line + grow), 0, 1)
        upper = np.sqrt(1 - above**2.2)
        lower = (1 - below**self.jaw) ** 0.62
        return (self.width + grow) * np.where(y < self.brow_line, upper, lower)

    def outline(self, grow: float = 0.0, top: float | None = None, bottom: float | None = None) -> Points:
        """The head as a polygon, or the slice of it between two heights."""
        first = self.crown - grow if top is None else top
        last = self.chin + grow if bottom is None else bottom
        # Denser points where the outline is flat: near crown and chin.
        y = first + (last - first) * (1 - np.cos(np.linspace(0, np.pi, 60))) / 2
        half = self.half_width(y, grow)
        return np.concatenate([np.stack([CENTRE + half, y], axis=-1), np.stack([CENTRE - half, y], axis=-1)[::-1]])
