"""Text-to-video models as a MODEL of the host."""
