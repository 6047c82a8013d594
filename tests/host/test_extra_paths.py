"""Face encoders in folders that extra_model_paths.yaml names."""

from __future__ import annotations

from pathlib import Path

from host.prompts import node
from host.server import ComfyServer
from tiny import tiny_face_vit


def test_encoders_of_an_extra_folder_are_listed_and_load(comfyui: Path, tmp_path: Path):
    shared = tmp_path / "shared models"
    tiny_face_vit(shared / "people" / "face_encoders" / "elsewhere")
    config = tmp_path / "extra.yaml"
    config.write_text(f"other:\n  base_path: {shared}\n  stableidentity: people\n")
    server = ComfyServer(comfyui, tmp_path / "base", options=["--extra-model-paths-config", config]).start()
    try:
        _kind, *rest = server.object_info("StableIdentityLoadFaceEncoder")["input"]["required"]["encoder_name"]
        assert "elsewhere" in str([_kind, *rest])
        image = node("EmptyImage", width=128, height=128, batch_size=1, color=0x8899AA)
        prompt = {
            "image": image,
            "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="elsewhere"),
            "face": node("StableIdentityPrepareFace", image=["image", 0]),
            "encoded": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face", 0]),
            "shown": node("SITestFeature", face=["encoded", 0]),
        }
        result = server.run(prompt)
        assert result.status == "success", result.error
        assert len(result.outputs["shown"]["feature"]) == 32
    finally:
        server.stop()
