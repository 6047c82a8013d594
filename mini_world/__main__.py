import io
import sys

from .cli import main

if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold characters that the terminal's encoding lacks
    sys.stdout.reconfigure(errors="backslashreplace")
raise SystemExit(main())
