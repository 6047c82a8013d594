"""Console output: text that any stream can write, and progress."""
