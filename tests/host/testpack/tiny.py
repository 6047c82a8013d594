"""tests/helpers/host_tiny.py, by its path: the server does not have the tests' folder on sys.path."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_FILE = Path(__file__).resolve().parents[2] / "helpers" / "host_tiny.py"
_SPEC = importlib.util.spec_from_file_location("stableidentity_host_tiny", _FILE)
host_tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(host_tiny)
