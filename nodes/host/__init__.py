"""All of the pack that touches ComfyUI's internals. Checked against ComfyUI 0.3.64 to 0.33."""
