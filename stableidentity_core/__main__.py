import io
import sys

from .cli import main

if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be text in the terminal's encoding
    sys.stdout.reconfigure(errors="backslashreplace")
raise SystemExit(main())
