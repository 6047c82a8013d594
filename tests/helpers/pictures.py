"""The pictures that a queued prompt shows."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from helpers.prompts import Json
from helpers.server import ComfyServer


def pictures(server: ComfyServer, prompt: Json) -> dict[str, list[np.ndarray]]:
    """By title, or by kind where a node has none."""
    result = server.run(prompt)
    assert result.status == "success", result.error
    return {
        prompt[key].get("_meta", {}).get("title", prompt[key]["class_type"]): [
            np.asarray(Image.open(io.BytesIO(server.view(image)))).astype(int) for image in output["images"]
        ]
        for key, output in result.outputs.items()
        if "images" in output
    }
