"""ComfyUI-StableIdentity: one face photo becomes two words. The host's door to the pack."""

if __package__:  # imported by ComfyUI; test tools import this file without a package
    from .nodes import comfy_entrypoint

    WEB_DIRECTORY = "./web"
    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
