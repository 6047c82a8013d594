"""Pictures: as tensors from the host's nodes, and as files on disk."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from campaign.generated.category import Case
from campaign.mutate import spoilt
from stableidentity_core.face import photo_of_image, read_mask, read_photo
from stableidentity_core.face.prepare import prepare_face

FORMATS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "ICO": ".ico",
    "PPM": ".ppm",
    "TGA": ".tga",
    "JPEG2000": ".jp2",
    "PCX": ".pcx",
    "DDS": ".dds",
    "SGI": ".sgi",
    "IM": ".im",
    "AVIF": ".avif",
    "MPO": ".mpo",
    "EPS": ".eps",
    "PDF": ".pdf",
}
MODES = ("RGB", "RGBA", "L", "LA", "P", "PA", "1", "I", "I;16", "F", "CMYK", "YCbCr", "LAB", "HSV")
SIDES = (1, 2, 7, 63, 64, 100, 128)


def picture(random: Random, side: tuple[int, int]) -> Image.Image:
    pixels = np.frombuffer(random.randbytes(side[0] * side[1] * 3), np.uint8).reshape(side[1], side[0], 3)
    return Image.fromarray(pixels.copy())


class Pictures:
    name = "photos on disk"
    memory = None

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        kind, content = self._saved(random)
        how = random.choice(("whole", "spoilt", "cut", "named otherwise", "spoilt"))
        suffix = FORMATS[kind]
        if how == "spoilt":
            content = spoilt(content, random)
        elif how == "cut":
            content = content[: random.randrange(len(content) + 1)]
        elif how == "named otherwise":
            suffix = random.choice((*FORMATS.values(), ".HEIC", ".txt", ""))
        path = folder / f"photo{suffix}"
        path.write_bytes(content)
        read = random.choice((read_photo, read_photo, read_mask))

        def act() -> None:
            found = read(path)
            shape = (3, *found.shape[1:]) if read is read_photo else tuple(found.shape)
            assert tuple(found.shape) == shape and found.ndim == (3 if read is read_photo else 2), found.shape
            assert found.dtype == torch.float32 and 0 <= found.min() <= found.max() <= 1, "values outside 0..1"
            if read is read_photo and max(found.shape) < 1000:
                prepare_face(found, size=64)

        return Case(f"{kind} {how}", act)

    def _saved(self, random: Random) -> tuple[str, bytes]:
        """A picture in some format and mode that Pillow can write here."""
        while True:
            kind = random.choice(sorted(FORMATS))
            side = random.choice(SIDES)
            made = picture(random, random.choice(((side, side), (side, random.choice(SIDES)))))
            try:
                made = made.convert(random.choice(MODES))
                buffer = io.BytesIO()
                made.save(buffer, kind, **self._options(kind, made, random))
                return kind, buffer.getvalue()
            except (OSError, ValueError, KeyError, SystemError, SyntaxError, struct.error):
                continue  # this format has no such mode

    def _options(self, kind: str, made: Image.Image, random: Random) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if random.random() < 0.3 and kind in ("GIF", "WEBP", "TIFF", "PNG", "AVIF"):
            options |= {"save_all": True, "append_images": [made.copy(), made.rotate(90)]}
        if random.random() < 0.4 and kind in ("JPEG", "PNG", "WEBP", "TIFF"):  # Pillow's AVIF writer dies of odd EXIF
            exif = Image.Exif()
            exif[0x0112] = random.choice((1, 3, 6, 8, 0, 9, 65535))
            options["exif"] = exif.tobytes() if random.random() < 0.7 else spoilt(exif.tobytes(), random)
        if random.random() < 0.2 and kind != "AVIF":
            options["icc_profile"] = random.randbytes(60)
        return options


class Tensors:
    name = "images and masks"
    memory = None

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        image = self._tensor(random, 3)
        layout = random.choice(("hwc", "hwc", "chw"))
        masks = [random.choice((None, self._tensor(random, 2), self._mask(random, image))) for _ in range(2)]

        def act() -> None:
            photo = photo_of_image(image, layout)
            prepared = prepare_face(photo, face_mask=masks[0], hair_mask=masks[1], size=64)
            face = prepared.face
            for value in (face.image, face.face_mask, face.hair_mask, prepared.overlay):
                assert value.isfinite().all() and 0 <= value.min() <= value.max() <= 1, "values outside 0..1"
            assert prepared.report.text(), "an empty report"

        return Case(f"{list(image.shape)} {image.dtype}", act)

    def _tensor(self, random: Random, dimensions: int) -> torch.Tensor:
        good = ((96, 96), (64, 64), (128, 128))
        odd = ((0, 0), (1, 1), (64, 66), (64, 100), (63, 63), (3, 96), (1000, 2))
        side = random.choice((*good, *good, *odd))
        shape: tuple[int, ...] = side if dimensions == 2 else (*side, random.choice((3, 3, 3, 4, 1, 2, 0, 5)))
        if random.random() < 0.1:
            shape = random.choice(((), (3,), (1, *shape), (2, *shape), shape[:1]))
        made = torch.rand(shape, generator=torch.Generator().manual_seed(random.randrange(1000)))
        return self._odd(made, random)

    def _mask(self, random: Random, image: torch.Tensor) -> torch.Tensor | None:
        if image.ndim != 3:
            return None
        made = torch.zeros(image.shape[:2])
        height, width = made.shape
        random.choice(
            (
                lambda: made.fill_(1),
                lambda: made[height // 4 : height // 2].fill_(1),
                lambda: made[:, width // 2 :].fill_(0.5),
                lambda: made[height // 2 : height // 2 + 1, width // 2 : width // 2 + 1].fill_(1),
                lambda: made,
            )
        )()
        return self._odd(made, random)

    def _odd(self, made: torch.Tensor, random: Random) -> torch.Tensor:
        ways = {
            "as it is": lambda: made,
            "type": lambda: made.to(
                random.choice((torch.float16, torch.float64, torch.uint8, torch.bool, torch.complex64, torch.bfloat16))
            ),
            "nan": lambda: (
                made.index_put((torch.zeros(1, dtype=torch.long),), torch.tensor(float("nan")))
                if made.ndim and made.numel()
                else made
            ),
            "bright": lambda: made * 255,
            "negative": lambda: -made,
            "infinite": lambda: made / 0,
            "strided": lambda: made.flip(0)[::2] if made.ndim else made,
            "inference": lambda: made.clone(),
        }
        return ways[random.choice((*["as it is"] * 8, *ways))]()
