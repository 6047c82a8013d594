"""Pictures in the page: small copies inside the file, and addresses of the whole ones beside it."""

from __future__ import annotations

import io
from base64 import b64encode
from pathlib import Path

from PIL import Image

from ...folder import Folder
from .html import Markup, address, element

QUALITY = 75
SMALL, LARGE = 144, 224  # pixels of the longer side: in sheets, and beside each other


class Pictures:
    """Of one evaluation."""

    def __init__(self, folder: Folder):
        self._root = folder.root

    def inside(self, path: Path, side: int) -> str | None:
        """A small copy as a data address; None where the picture is missing or cannot be read."""
        try:
            with Image.open(path) as file:
                picture = file.convert("RGB")
        except Exception:  # PIL raises many types for damaged pictures
            return None
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        picture.save(content, "WEBP", quality=QUALITY)
        return f"data:image/webp;base64,{b64encode(content.getvalue()).decode()}"

    def beside(self, path: Path) -> str:
        """The address of a file of the evaluation, seen from the report."""
        return address(path.relative_to(self._root).as_posix())

    def shown(self, path: Path, about: str, side: int = LARGE) -> Markup:
        """A small copy that leads to the whole picture, or a remark in its place."""
        small = self.inside(path, side)
        if small is None:
            return element("span", f"{about}: missing or damaged", class_="gone")
        return element("a", element("img", src=small, alt=about), href=self.beside(path))
