"""What shows that there is a face where a photo was measured, and what makes that doubtful."""

from __future__ import annotations

from dataclasses import dataclass

UNDETECTED = "No face detector was used: the picture was taken as an aligned portrait"
NOBODY_LOOKED = (
    "Nobody has looked for a face: no face detector was used, and the picture was taken as an aligned portrait. Use a "
    "detector, or check on the overlay that the face mask lies on a face."
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Who has seen a face in the portrait."""

    detected: bool  # a detector found it; False: none was used
    parsed: bool | None = None  # whether a parser finds a face in the portrait; None: none was used
    marked: bool = False  # the user's face mask lies where the face of an aligned portrait is

    @property
    def certain(self) -> bool:
        """A network has found the face, and none contradicts it."""
        return self.parsed is not False and (self.detected or bool(self.parsed))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Warnings; at most one sentence."""
        if self.parsed is False:
            return (f"The parser finds no face in the portrait{self._against()} Check the portrait.",)
        return () if self.detected or self.parsed or self.marked else (NOBODY_LOOKED,)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences that the doubts leave open."""
        if self.detected or self.doubts:
            return ()
        seen = "in which the parser finds a face" if self.parsed else "with the face where the face mask marks it"
        return (f"{UNDETECTED}, {seen}.",)

    def _against(self) -> str:
        if self.detected:
            return ", although the detector found one."
        marked = ", only your face mask marks one" if self.marked else ""
        return f"{marked}; no face detector was used, and the picture was taken as an aligned portrait."


DETECTED = Evidence(detected=True)
