"""ComfyUI, imported by the process that short jobs are forked from.

On a CPU only: a GPU that was looked at before a fork cannot be used after it.
"""

from __future__ import annotations

import os

from gpu.job import Setting
from gpu.models import host_module

host_module(Setting(device="cpu", short=True, comfyui=os.environ["COMFYUI_PATH"]), "nodes.host.backend")
